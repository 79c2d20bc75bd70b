"""What an update of a device is at, and how it goes on: one table.

Nothing is decided here, and nothing done: who sees something happen looks up what it means. As Mender has it: install,
commit, roll back (https://docs.mender.io/overview/artifact).
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """What an update is at; the three last are ends."""

    VERIFY = "verify"
    """It is being fetched, and held against the fleet's signatures."""
    STAGE = "stage"
    """It is being unpacked beside what runs."""
    SWITCH = "switch"
    """It is there, whole, and about to take the place of what runs."""
    GATE = "gate"
    """It runs, and what it must show is being measured."""
    COMMIT = "commit"
    """It showed all that it must: that is being told."""
    ROLL_BACK = "roll back"
    """It did not: what ran before takes its place again, and that is being told."""
    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"
    REFUSED = "refused"
    """This device cannot take it at all: it never ran."""


ENDS = (State.COMMITTED, State.ROLLED_BACK, State.REFUSED)


class Event(StrEnum):
    """What may happen."""

    VERIFIED = "verified"
    STAGED = "staged"
    SWITCHED = "switched"
    PASSED = "passed"
    FAILED = "failed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    """The host took it back before it stayed."""
    DAMAGED = "damaged"
    """What was there of it is not whole any more, or nobody knows: it begins anew."""
    TOLD = "told"
    """The result lies in the outbox."""


_S, _E = State, Event
TRANSITIONS = MappingProxyType({
    (_S.VERIFY, _E.VERIFIED): _S.STAGE,
    (_S.VERIFY, _E.REFUSED): _S.REFUSED,
    (_S.STAGE, _E.STAGED): _S.SWITCH,
    (_S.STAGE, _E.DAMAGED): _S.VERIFY,
    (_S.STAGE, _E.REFUSED): _S.REFUSED,
    (_S.SWITCH, _E.SWITCHED): _S.GATE,
    (_S.SWITCH, _E.WITHDRAWN): _S.ROLL_BACK,
    (_S.SWITCH, _E.DAMAGED): _S.VERIFY,
    (_S.GATE, _E.PASSED): _S.COMMIT,
    (_S.GATE, _E.FAILED): _S.ROLL_BACK,
    (_S.GATE, _E.WITHDRAWN): _S.ROLL_BACK,
    (_S.GATE, _E.DAMAGED): _S.VERIFY,
    (_S.COMMIT, _E.TOLD): _S.COMMITTED,
    (_S.ROLL_BACK, _E.TOLD): _S.ROLLED_BACK,
})  # fmt: skip


def following(state: State, event: Event) -> State:
    """The state after `event`. Raises KeyError where it means nothing then, which is a mistake of ours."""
    return TRANSITIONS[state, event]
