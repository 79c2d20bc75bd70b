"""What the agent is at, and how it goes on: one table.

Nothing is decided here, and nothing done: who sees something happen looks up what it means.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """What the agent is at. It answers images in every one of them."""

    WATCHING = "watching"
    """The images are such as the model knows."""
    DRIFTED = "drifted"
    """They are not, or its answers are wrong, and there is not yet data or permission to train."""
    ASKING = "asking"
    """Somebody has to say what some images show."""
    ADAPTING = "adapting"
    """A process of its own trains."""
    PROVING = "proving"
    """What it trained is held against the model that answers."""
    PROBATION = "probation"
    """It answers now, and the model before is kept at hand."""


class Event(StrEnum):
    """What may happen."""

    DRIFT = "drift"
    """Two windows after each other look otherwise."""
    WRONG = "wrong"
    """Labels say that answers are wrong more often than they were."""
    TOLD = "told"
    """Somebody wants it to adapt now."""
    GONE = "gone"
    """Windows look as they did before."""
    LABELS_NEEDED = "labels needed"
    LABELS_THERE = "labels there"
    BEGIN = "begin"
    """There are data and permission."""
    TRAINED = "trained"
    FAILED = "failed"
    """Training ended without a result, or was held back by its guard."""
    BETTER = "better"
    """The candidate is right more often than the model that answers, by more than chance."""
    NO_BETTER = "no better"
    UNDECIDED = "undecided"
    """There are too few labels to tell."""
    PASSED = "passed"
    """The model did in the field what was promised of it."""
    WORSE = "worse"
    """It did not: the model before answers again."""
    ACCEPTED = "accepted"
    """Somebody is content with the model on probation, or wants a candidate that labels did not decide on."""
    ROLL_BACK = "roll back"
    """Somebody wants the model before."""


_S, _E = State, Event
TRANSITIONS = MappingProxyType({
    (_S.WATCHING, _E.DRIFT): _S.DRIFTED,
    (_S.WATCHING, _E.WRONG): _S.DRIFTED,
    (_S.WATCHING, _E.TOLD): _S.DRIFTED,
    (_S.WATCHING, _E.WORSE): _S.WATCHING,
    (_S.WATCHING, _E.ROLL_BACK): _S.WATCHING,
    (_S.DRIFTED, _E.GONE): _S.WATCHING,
    (_S.DRIFTED, _E.LABELS_NEEDED): _S.ASKING,
    (_S.DRIFTED, _E.BEGIN): _S.ADAPTING,
    (_S.DRIFTED, _E.ACCEPTED): _S.PROBATION,
    (_S.DRIFTED, _E.ROLL_BACK): _S.WATCHING,
    (_S.ASKING, _E.GONE): _S.WATCHING,
    (_S.ASKING, _E.LABELS_THERE): _S.DRIFTED,
    (_S.ASKING, _E.ACCEPTED): _S.PROBATION,
    (_S.ASKING, _E.ROLL_BACK): _S.WATCHING,
    (_S.ADAPTING, _E.TRAINED): _S.PROVING,
    (_S.ADAPTING, _E.FAILED): _S.WATCHING,
    (_S.ADAPTING, _E.ROLL_BACK): _S.WATCHING,
    (_S.PROVING, _E.BETTER): _S.PROBATION,
    (_S.PROVING, _E.NO_BETTER): _S.WATCHING,
    (_S.PROVING, _E.UNDECIDED): _S.ASKING,
    (_S.PROVING, _E.FAILED): _S.WATCHING,
    (_S.PROVING, _E.ROLL_BACK): _S.WATCHING,
    (_S.PROBATION, _E.PASSED): _S.WATCHING,
    (_S.PROBATION, _E.WORSE): _S.WATCHING,
    (_S.PROBATION, _E.ACCEPTED): _S.WATCHING,
    (_S.PROBATION, _E.ROLL_BACK): _S.WATCHING,
})  # fmt: skip


def following(state: State, event: Event) -> State | None:
    """The state after `event`; None where it means nothing then."""
    return TRANSITIONS.get((state, event))
