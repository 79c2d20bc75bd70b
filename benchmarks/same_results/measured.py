"""What may differ between two runs of the same code, because it is measured: the whole list, each with its reason.

Nothing else is set aside. A measured value must still be there, of the same JSON type on both sides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Measured:
    """Values in JSON whose path fits one of `patterns`, and everything inside them.

    A path is the document and the keys down to the value: `train.latency.step.p50_ms`; items of a list have the path
    of their list. `*` stands for anything, dots included. With `or_null` one may be null and the other not.
    """

    patterns: tuple[str, ...]
    why: str
    or_null: bool = False


@dataclass(frozen=True)
class Words:
    """A sentence with a measured number in it.

    In a list of sentences it is left out, as whether it is said is measured, too. Elsewhere its numbers are.
    """

    sentence: re.Pattern[str]
    why: str


MEASURED = (
    Measured(("*_ms", "*.ms", "*.milliseconds"), "milliseconds"),
    Measured(("history.steps", "history.phases.laps", "state*.recent*.steps", "state*.laps"), "milliseconds in bins"),
    Measured(("state*.sha256", "state*.history.size", "state*.history.checksum"), "over the times of epochs, too"),
    Measured(("run.sha256",), "over the wall clock and the folder, too"),
    Measured(("*seconds",), "seconds, and parts of them that were saved"),
    Measured(("*_per_second",), "images over seconds"),
    Measured(("*.metering.share",), "CPU seconds of the meter over seconds"),
    Measured(("*.started_at",), "the wall clock"),
    Measured(("*.peak_memory_bytes", "*.idle_memory_bytes", "*.memory.process"), "memory that the process takes"),
    Measured(("*.available_bytes",), "memory that is free"),
    Measured(("*celsius", "*megahertz", "*.throttled*"), "temperature and clock of the board"),
    Measured(("*.other_load",), "load by other processes; null after too short a time", or_null=True),
    Measured(("*.telemetry",), "a sample of these a second, so their number is that of the seconds"),
    Measured(("tune.comparisons", "tune.chosen"), "which way is faster, and so what is tried next"),
    Measured(("compare.fronts.entries",), "which entry is faster or smaller than another"),
    Measured(("bench.costs.*_epoch*",), "milliseconds, and parts of them that were saved"),
)

WORDS = (
    Words(re.compile(r"other processes kept \S+ cores busy on average"), "load of the board"),
    Words(re.compile(r"\S+ MB of \S+ MB available(; plan \S+ needs about \S+ MB)?"), "memory of board and process"),
    Words(re.compile(r"\S+ MB free in .*"), "room on the disk"),
)

# Lists of things with a `name` that stand in the order of their milliseconds.
SORTED_BY_TIME = ("*.profile.graphs.operators", "*.profile.graphs.layers")

_NUMBER = re.compile(r"\d[\d,.]*")


def rule_for(path: str) -> Measured | None:
    """The rule that sets the value at `path` aside."""
    return next((rule for rule in MEASURED if any(fnmatchcase(path, each) for each in rule.patterns)), None)


def is_sorted_by_time(path: str) -> bool:
    """Whether only the order of the list at `path` is measured."""
    return any(fnmatchcase(path, each) for each in SORTED_BY_TIME)


def is_measured_sentence(text: object) -> bool:
    """Whether all of `text` is a sentence with a measured number."""
    return isinstance(text, str) and any(words.sentence.fullmatch(text) for words in WORDS)


def without_numbers(sentence: str) -> str:
    """`sentence` with # for each number."""
    return _NUMBER.sub("#", sentence)
