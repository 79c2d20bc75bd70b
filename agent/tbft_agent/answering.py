"""Pictures in, answers out: by the current model, whoever asks, and never more at once than there is room for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import numpy as np

from tbft_agent.clock import Clock
from tbft_agent.serving.served import Looked, Served
from tbft_artifacts.errors import TbftError
from tbft_runtime.data.bounds import room
from tbft_runtime.data.pictures import read_content

# Latencies that percentiles are of.
_REMEMBERED = 1024


class BusyError(Exception):
    """As many images wait as may: the caller should come again later."""


class UnreadableError(Exception):
    """What was given is no picture, and why."""


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was answered to one picture, by which model, and after how many milliseconds."""

    label: str
    confidence: float
    version: int
    ms: float
    exit: str | None = None
    unknown: bool | None = None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Of the last answers, in milliseconds; None before the first."""

    images: int
    p50: float | None
    p95: float | None


@dataclass
class Answering:
    """Holds the model. `heard` gets every answer, with the bytes it was made of."""

    clock: Clock
    waiting: int
    heard: Callable[[bytes, Looked, int], None]
    served: Served
    version: int
    answered: int = 0
    refused: int = 0
    is_training: Callable[[], bool] = lambda: False
    """Whether a training goes on beside the answers, whose latencies are kept apart."""
    silent: int = 0
    """How many pictures after each other the model gave no answer to: it is none any more."""
    _ms: dict[bool, deque[float]] = field(
        default_factory=lambda: {training: deque(maxlen=_REMEMBERED) for training in (False, True)}
    )
    # The first is held while `heard` takes the agent's: whoever has the agent's must not ask for an answer.
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counting: threading.Lock = field(default_factory=threading.Lock)
    _places: threading.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._places = threading.Semaphore(self.waiting)

    def answer(self, content: bytes) -> Said:
        """Raises BusyError, UnreadableError, and TbftError for a model that gives no numbers."""
        if not self._places.acquire(blocking=False):
            with self._counting:
                self.refused += 1
            raise BusyError
        try:
            return self._answer(content)
        finally:
            self._places.release()

    def replace(self, served: Served, version: int) -> None:
        """From now on this model answers; what was begun is answered by the one before."""
        with self._counting:
            self.served, self.version, self.silent = served, version, 0

    def latency(self, *, training: bool = False) -> Latency:
        """From a picture's bytes to its answer, while nothing was trained, or beside `training`."""
        with self._counting:
            found = list(self._ms[training])
        if not found:
            return Latency(images=0, p50=None, p95=None)
        p50, p95 = np.percentile(found, [50, 95])
        return Latency(images=len(found), p50=round(float(p50), 2), p95=round(float(p95), 2))

    def _answer(self, content: bytes) -> Said:
        began, training = self.clock.steady(), self.is_training()
        # One at a time: each already uses every thread that it may.
        with self._lock:
            with self._counting:
                served, version = self.served, self.version
            picture = read_content(content, served.preprocessing, room(None))
            if picture.pixels is None:
                raise UnreadableError(picture.problem)
            (looked,) = self._look(served, picture.pixels[np.newaxis])
            self.heard(content, looked, version)
        ms = (self.clock.steady() - began) * 1000
        with self._counting:
            self._ms[training].append(ms)
            self.answered += 1
        return Said(
            label=looked.answer.label,
            confidence=round(looked.confidence, 4),
            version=version,
            ms=round(ms, 2),
            exit=looked.answer.exit,
            unknown=looked.answer.unknown,
        )

    def _look(self, served: Served, pixels: np.ndarray) -> list[Looked]:
        try:
            found = served.look(pixels)
        except Exception as error:
            self.silent += 1
            if isinstance(error, TbftError):
                raise
            raise TbftError(f"the model does not answer: {error}", "roll back") from error
        self.silent = 0
        return found
