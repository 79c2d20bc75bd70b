"""What every meter does, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from tbft_artifacts.errors import TbftError
from tbft_runtime.board.access import Board

# A sensor reads watts, a counter counts joules, an external meter says watts over time; an estimate is none of them.
MeterType = Literal["sensor", "counter", "external", "estimate"]


AUTOMATIC, NO_METER = "auto", "none"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a joule comes from; nothing is reported without it.

    `meter` is the name that chooses it. `scope` says in words what the figure covers, `missing` what
    it leaves out. `uncertainty` is the sensor's own error as a fraction of what it reads (0.01: 1 %), None
    where nobody states one; `basis` says who does, and for an estimate where each of its figures is from.
    """

    meter: str
    type: MeterType
    scope: str
    missing: tuple[str, ...] = ()
    uncertainty: float | None = None
    basis: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """What a meter said at a moment of `time.perf_counter`: watts then, or joules counted since it started."""

    seconds: float
    value: float


class MeterError(Exception):
    """A meter could not be read this time; the next time it may."""


class UnavailableError(TbftError):
    """There is no such meter on this board, or this user may not read it; `hint` says what would help."""


class Meter(Protocol):
    """A meter that is there. One thread at a time uses it.

    `hertz` is how often asking is worth while: how often its figure is new. `idle_watts` is what the board
    draws doing nothing where the meter knows without measuring (an estimate), else None.
    """

    source: Source
    measures: Literal["watts", "joules"]
    hertz: float
    idle_watts: float | None

    def start(self) -> None:
        """Open what it reads from. Raises UnavailableError."""

    def sample(self) -> Sequence[Sample]:
        """What is new since the last call: one sample, several from a meter that sends them, or none yet.

        Raises MeterError where it cannot be read.
        """

    def stop(self) -> None:
        """Close it."""


@dataclass(frozen=True)
class MeterKind:
    """An entry of the registry.

    `name` is what `choose` takes; `argument` names what may follow behind a colon (None: nothing), and
    `needs_argument` says that it must. `automatic`: "auto" tries it, if it is built in.
    `find` opens nothing for good; it raises UnavailableError if there is no such meter here.
    """

    name: str
    argument: str | None
    needs_argument: bool
    automatic: bool
    find: Callable[[Board, str | None], Meter]
