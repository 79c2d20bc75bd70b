"""What came to nothing is not tried again as it was: it takes more labels, or a time; both double each time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import msgspec

_DAY = 24 * 3600.0
LONGEST = 16 * _DAY
# Of so many times that what doubles doubles: labels, which people give, and time up to `LONGEST`.
_LABELS_DOUBLE, _TIME_DOUBLES = 3, 30


class Why(StrEnum):
    """What a lesson came to nothing by."""

    NO_BETTER = "no better"
    """Labels do not say that its candidate is better by more than chance."""
    FORGETS = "forgets"
    """The candidate lost too much of what was known, and what lies between it and the one before did, too, or is no
    better."""
    FAILED = "failed"
    """The command that trains said why it cannot."""
    BOARD = "board"
    """The board was to blame: memory, time, a pulled plug."""


@dataclass(frozen=True)
class _Rule:
    """What may help: `labels`, and time, of which `first` seconds at first (None: `adapt.rest_hours`)."""

    labels: bool
    first: float | None
    helps: str


_RULES = MappingProxyType({
    Why.NO_BETTER: _Rule(labels=True, first=_DAY, helps="more labels"),
    Why.FORGETS: _Rule(labels=True, first=_DAY, helps="a larger `most_forgotten`, or more labels"),
    Why.FAILED: _Rule(labels=False, first=_DAY, helps="what 'tbft-edge agent logs' says"),
    Why.BOARD: _Rule(labels=False, first=None, helps="what 'tbft-edge agent logs' says"),
})  # fmt: skip


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A lesson that came to nothing by `why`, so many `times` after each other in an episode; None: there is none.

    The last one ended at the agent's age `at`, when there were so many `labels` of all images, and it was one `with`
    labels or without. `answers`: they were wrong, and not images others.
    """

    why: Why | None = None
    times: int = 0
    at: float = 0.0
    labels: int = 0
    episode: int = 0
    with_labels: bool = False
    answers: bool = False

    def once_more(self, why: Why, *, at: float, labels: int, episode: int, with_labels: bool, answers: bool) -> Tried:
        """With another lesson that came to nothing; one without labels says nothing of one with them before."""
        is_same = self.why is not None and (episode == self.episode or (answers and self.answers))
        times = self.times + 1 if is_same else 1
        if is_same and self.with_labels and not with_labels:
            return msgspec.structs.replace(self, times=times, at=at)
        return Tried(
            why=why, times=times, at=at, labels=labels, episode=episode, with_labels=with_labels, answers=answers
        )

    @property
    def labels_help(self) -> bool:
        return self.why is not None and _RULES[self.why].labels

    @property
    def helps(self) -> str:
        """What does, in words; empty where nothing was tried."""
        return "" if self.why is None else _RULES[self.why].helps

    def more(self, wanted: int) -> int:
        """How many labels more make it another lesson, where so many are asked for at a time; 0 if none do."""
        return wanted * 2 ** min(self.times - 1, _LABELS_DOUBLE) if self.labels_help else 0

    def has_news(self, labels: int, wanted: int) -> bool:
        """Whether there are so many more."""
        return self.labels_help and labels >= self.labels + self.more(wanted)

    def until(self, rest: float) -> float:
        """The agent's age from which on the same is tried again; `rest` are the seconds of `adapt.rest_hours`."""
        if self.why is None:
            return 0.0
        first = _RULES[self.why].first
        doubled = (rest if first is None else first) * 2.0 ** min(self.times - 1, _TIME_DOUBLES)
        return self.at + max(rest, min(doubled, LONGEST))


NOTHING_TRIED = Tried()


def why_not(tried: Tried, *, age: float, labels: int, wanted: int, rest: float) -> str | None:
    """Why it is not begun again at that age, in words; None if it is."""
    if tried.why is None or age >= tried.until(rest):
        return None
    if tried.has_news(labels, wanted) and age >= tried.at + rest:
        return None
    lacking = tried.labels + tried.more(wanted) - labels
    by_labels = f" with {lacking} more labels, or" if lacking > 0 and tried.labels_help else ""
    resting = tried.at + rest if tried.has_news(labels, wanted) else tried.until(rest)
    times = "once" if tried.times == 1 else f"{tried.times} times"
    span = _span(resting - age)
    return f"what it learned came to nothing {times}; it tries again{by_labels} in {span}; what may help: {tried.helps}"


def _span(seconds: float) -> str:
    return f"{seconds / _DAY:.1f} days" if seconds >= _DAY else f"{seconds / 3600:.1f} hours"
