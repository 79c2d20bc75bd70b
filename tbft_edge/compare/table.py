"""A comparison as a table, for people and for spreadsheets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import msgspec

from tbft_edge.compare.results import CostName, EntryResult, Figures, Results, Spread
from tbft_edge.figures import DASH, estimated, percent, significant, size
from tbft_edge.tables.costs import grouped_notes
from tbft_edge.tables.table import Table, csv_text

COST_NAMES: Mapping[CostName, str] = {"seconds": "time", "joules": "energy", "peak_memory_bytes": "memory"}
# Broken where that saves width. What a run gave, and what the manifest says of it.
MEASURED = ("accuracy\nbefore", "accuracy\nafter", "best at", "time", "energy", "peak\nmemory", "above\nidle")
STATED = ("trained\nparameters", "their\nbytes", "FLOPs of\na step", "kept for\nbackward")
_FAILED = "failed"
# The number that words begin with.
_FIGURE = re.compile(r"^-?[\d.,]+")


def comparison_table(results: Results) -> Table:
    """A row per entry; of repeats the median, and from where to where they reach."""
    return Table(caption(results), columns(results), [cells(entry, results) for entry in results.entries], numbers=True)


def columns(results: Results) -> tuple[str, ...]:
    """Of the whole table."""
    return ("entry", "method", *MEASURED, *stated_columns(results))


def stated_columns(results: Results) -> tuple[str, ...]:
    """Those of what the manifest says, and of inference."""
    return (*STATED, f"inference\nper {results.input_kind}")


def caption(results: Results) -> str:
    """What the figures are of."""
    return f"Methods on the same data. {accuracy_words(results)} FLOPs and bytes kept are per {results.input_kind}."


def accuracy_words(results: Results) -> str:
    """Where accuracy was measured, and how often."""
    noun = results.input_kind
    where = f"the {noun}s that each run held out to validate on" if results.test is None else f"the test {noun}s"
    repeats = "" if results.repeats == 1 else f" Medians of {results.repeats} repeats (least–most)."
    return f"Accuracy on {where} ({results.test_images:,}).{repeats}"


def cells(entry: EntryResult, results: Results) -> list[str]:
    """The cells of an entry, in the order of `columns`; one that failed says so."""
    return [entry.name, entry.chosen_by, *measured(entry, results), *stated(entry)]


def measured(entry: EntryResult, results: Results) -> list[str]:
    """Those of MEASURED."""
    return [
        spread_words(entry.spread("accuracy_before"), percent),
        spread_words(entry.spread("accuracy_after"), percent) if entry.runs else _FAILED,
        best_at(entry, results),
        spread_words(entry.spread("seconds"), lambda seconds: significant(seconds, "s")),
        _energy(entry) if entry.runs else DASH,
        spread_words(entry.spread("peak_memory_bytes"), size),
        spread_words(entry.spread("training_memory_bytes"), size),
    ]


def stated(entry: EntryResult) -> list[str]:
    """Those of `stated_columns`."""
    return [
        spread_words(entry.spread("trained_parameters"), lambda count: f"{count:,.0f}"),
        spread_words(entry.spread("parameter_bytes"), size),
        spread_words(entry.spread("step_flops"), flops),
        spread_words(entry.spread("activation_bytes"), size),
        spread_words(entry.spread("inference_ms"), lambda ms: significant(ms, "ms")),
    ]


def best_at(entry: EntryResult, results: Results) -> str:
    """The costs for which no other entry beats this one."""
    return ", ".join(COST_NAMES[front.cost] for front in results.fronts if entry.name in front.entries) or DASH


def notes(results: Results) -> list[str]:
    """What to know before believing the figures, and why runs failed."""
    fronts = [f"no Pareto front of {COST_NAMES[f.cost]}: {f.unavailable}" for f in results.fronts if f.unavailable]
    if all(entry.energy == "unavailable" for entry in results.entries):
        fronts = []  # Every entry's own note says why.
    noted = [(entry.name, entry.notes) for entry in results.entries if entry.runs]
    return [*failures(results), *results.notes, *fronts, *grouped_notes(noted, "every entry")]


def failures(results: Results) -> Iterator[str]:
    """Runs that did not end well, and why."""
    for entry in results.entries:
        missing = results.repeats - len(entry.runs)
        if missing:
            yield f"{entry.name}: {missing} of {results.repeats} runs failed: {'; '.join(entry.failed)}"


def comparison_csv(results: Results) -> str:
    """A line per run, all its figures in plain numbers; one without figures per entry that failed."""
    names = ("entry", "method", "drift", "bundle", "model", *Figures.__struct_fields__, "energy", "meter", "failed")
    empty = (None,) * len(Figures.__struct_fields__)
    rows: list[tuple[object, ...]] = []
    for entry in results.entries:
        for figures in map(msgspec.structs.astuple, entry.runs) if entry.runs else [empty]:
            first = (entry.name, entry.method, entry.drift, entry.bundle, entry.model)
            rows.append((*first, *figures, entry.energy, entry.meter, entry.failed))
    return csv_text(names, rows)


def spread_words(spread: Spread | None, words: Callable[[float], str]) -> str:
    """The median, and the range where there is one, without the unit where that is the same."""
    if spread is None:
        return DASH
    median, low, high = map(words, (spread.median, spread.low, spread.high))
    if low == high:
        return median
    if len({_FIGURE.sub("", words) for words in (median, low, high)}) == 1:
        low, high = (found[0] for found in map(_FIGURE.match, (low, high)) if found)
    return f"{median} ({low}–{high})"


def flops(count: float) -> str:
    """Floating-point operations: `54.4 M`."""
    for unit in ("", "k", "M"):
        if count < 1000:
            return significant(count, unit)
        count /= 1000
    return significant(count, "G")


def _energy(entry: EntryResult) -> str:
    """Joules, with the word for what they are."""
    if entry.energy == "unavailable":
        return entry.energy
    is_estimate = entry.energy == "estimate"
    return spread_words(entry.spread("joules"), lambda joules: estimated(significant(joules, "J"), is_estimate))
