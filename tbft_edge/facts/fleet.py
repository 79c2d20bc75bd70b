"""What is said of a fleet and its devices, in words, once: the terminal and the page only set it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tbft_artifacts.words import as_cell
from tbft_edge.figures import DASH, celsius, count, estimated, joules, moment, percent, size

if TYPE_CHECKING:
    from tbft_fleet.files.round import Round
    from tbft_fleet.host.status import DeviceStatus, Kind, ReleaseStatus, RoundStatus, State, Status

KINDS: Mapping[Kind, str] = {
    "gate": "failed gates",
    "drift": "drift without labels",
    "under-voltage": "under-voltage since the board started",
    "throttling": "throttled",
    "disk": "little room on the disk",
    "clock": "no clock",
    "silent": "silent",
    "expiry": "expires soon",
    "record": "cannot be read",
    "group": "no group of this fleet",
}
_ARROW = "→"
# Said only where there are some.
_RARE = {"no release", "revoked"}

COLUMNS: Mapping[str, Callable[[DeviceStatus], str]] = {
    "last seen": lambda row: DASH if row.last_seen is None else moment(row.last_seen),
    "release": lambda row: from_to(_release(row.release), _release(row.target)),
    "accuracy": lambda row: accuracies(row.accuracy_before, row.accuracy_after),
    "drift": lambda row: DASH if row.drift is None else f"{row.drift:.2f}×",
    "plan": lambda row: as_cell(row.plan or DASH),
    "energy": lambda row: estimated(joules(row.joules), row.joules_are_estimated),
    "memory": lambda row: DASH if row.peak_memory_bytes is None else size(row.peak_memory_bytes),
    "heat": lambda row: celsius(row.celsius),
    "runtime": lambda row: as_cell(row.runtime or DASH),
    "signed": lambda row: "✓" if row.signed else DASH,
}


def headline(status: Status) -> list[tuple[State, str]]:
    """States in the order in which they matter, each with what it is called."""
    hours = status.silent_after_hours
    quiet = count(round(hours / 24), "day") if hours % 24 == 0 else f"{hours:g} hours"
    words: dict[State, str] = {
        "running": "running their release",
        "behind": "behind",
        "rolled back": "rolled back",
        "silent": f"silent for {quiet} or more",
        "no release": "without a release",
        "revoked": "revoked",
    }
    return [(state, name) for state, name in words.items() if status.counts[state] or state not in _RARE]


def wave(release: ReleaseStatus) -> str:
    """How far a release was opened, and for whom."""
    opened = f"{release.reached:,} of {count(release.devices, 'device')}"
    return f"{', '.join(release.groups)}: {release.percent}% open, which is {opened}"


def step(found: RoundStatus) -> str:
    """From which release to which a round led."""
    return from_to(_release(found.release), _release(found.into or 0))


def accuracies(before: float | None, after: float | None) -> str:
    """`25.0% → 75.0%`, or the one that is known."""
    if before is None and after is None:
        return DASH
    return f"{percent(before)} {_ARROW} {percent(after)}"


def own_accuracy(merge: Round) -> str:
    """What those that took part came to alone, each on its own images, on average."""
    told = [part.accuracy for part in merge.parts if part.accuracy is not None]
    return f"own accuracy {percent(sum(told) / len(told)) if told else 'not known'}"


def carried(found: Round | RoundStatus) -> str:
    """How much a round sent to and from each device, beside all weights."""
    if found.bytes is None or found.model_bytes is None:
        return DASH
    return f"{size(found.bytes)} of {size(found.model_bytes)}"


def missed(found: RoundStatus) -> list[str]:
    """Who was not there as others were, by name; nothing where all were."""
    late = ", ".join(f"{name} by {count(rounds, 'round')}" for name, rounds in found.late.items())
    return [
        *([f"late: {late}"] if late else []),
        *([f"asked, and not in the merge: {', '.join(found.missing)}"] if found.missing else []),
    ]


def from_to(one: str, other: str) -> str:
    """`12 → 13`; `13` where both are the same."""
    return one if one == other else f"{one} {_ARROW} {other}"


def _release(number: int) -> str:
    return str(number) if number else DASH
