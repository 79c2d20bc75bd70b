"""The worker's side of a pipe: read a request, do it, reply; wait in between without computing."""

from __future__ import annotations

import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from benchmarks.protocol import (
    Continue,
    Failed,
    Load,
    Loaded,
    Paused,
    Ready,
    Reply,
    Request,
    Took,
    Train,
    Trained,
    Turn,
    Work,
)

# Enough to see that the first gradient, too, is the same.
FIRST_STEPS = 2
# Of an error its first line is told; all of it is in the log.
LONGEST_REASON = 200


class Contestant(Protocol):
    """An engine that can take steps."""

    def load(self, job: Load) -> Mapping[Work, Callable[[], float]]:
        """What it can do on the batch of `job`, and on its first `check_size` images: each call is one step.

        It returns the loss before.
        """


@runtime_checkable
class Trainer(Contestant, Protocol):
    """An engine that can train, too."""

    def train(self, job: Train, laps: Laps) -> float:
        """Train as `job` says; call `laps.pause()` before and after each epoch. Returns the loss before."""


class Channel:
    """Requests from stdin, replies to what was stdout; whatever the engine prints goes to stderr."""

    def __init__(self) -> None:
        self._replies = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)

    def receive(self) -> Request | None:
        """The next request, or None after the last."""
        line = sys.stdin.buffer.readline()
        return msgspec.json.decode(line, type=Request) if line else None

    def send(self, reply: Reply) -> None:
        self._replies.write(msgspec.json.encode(reply) + b"\n")
        self._replies.flush()


class Laps:
    """Time between pauses; the clock stands while others have their turn."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._started: float | None = None

    def pause(self) -> None:
        """Tell the seconds since the last pause, and wait."""
        self._channel.send(Paused(self.seconds()))
        if not isinstance(self._channel.receive(), Continue):
            raise SystemExit(0)
        self._started = time.perf_counter()

    def seconds(self) -> float:
        """Since the last pause; 0 before the first."""
        return 0.0 if self._started is None else time.perf_counter() - self._started


def serve(contestant: Contestant, versions: Mapping[str, str]) -> None:
    """Answer requests until there are no more."""
    channel = Channel()
    channel.send(Ready(dict(versions), peak_bytes()))
    works: Mapping[Work, Callable[[], float]] = {}
    while (request := channel.receive()) is not None:
        try:
            match request:
                case Load():
                    works = contestant.load(request)
                    losses = [works["check"]() for _ in range(FIRST_STEPS)]
                    channel.send(Loaded(losses, list(works)))
                case Turn():
                    channel.send(_turn(works[request.work], request))
                case Train() if isinstance(contestant, Trainer):
                    laps = Laps(channel)
                    before = contestant.train(request, laps)
                    channel.send(Trained(laps.seconds(), before, peak_bytes()))
                case Train():
                    channel.send(Failed("only its steps are measured"))
                case Continue():
                    channel.send(Failed("nothing to continue"))
        except Exception as error:  # Whatever an engine raises is its result.
            lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no message"]
            channel.send(Failed(f"{type(error).__name__}: {lines[0][:LONGEST_REASON]}"))
            traceback.print_exc()


def _turn(work: Callable[[], float], turn: Turn) -> Took:
    work()
    ms: list[float] = []
    total = 0.0
    cpu = time.process_time()
    while len(ms) < turn.steps or total < turn.least_ms:
        started = time.perf_counter()
        work()
        ms.append((time.perf_counter() - started) * 1000)
        total += ms[-1]
    share = (time.process_time() - cpu) * 1000 / total
    # Of thousands of short steps the median says enough.
    return Took(ms if len(ms) == turn.steps else [statistics.median(ms)], share, peak_bytes())


def peak_bytes() -> int:
    """The largest resident size of this process.

    Not `ru_maxrss`: that begins with the size of the process that started this one.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
