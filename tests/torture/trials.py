"""One interruption each: strike, then run the same command to its end, and compare with one that nobody disturbed."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from support.forked_command import Limits, Outcome, Room, run
from support.runs import state_of
from torture.shim import How, Shim
from torture.targets import TARGETS, Desk, names, refusal

LIMITS = Limits(seconds=120)
KILLS = (How.KILL, How.PLUG, How.HALF, How.KILL_AFTER)
# A card that rots, a full one, one that the kernel gave up on, and too many open files.
FAULTS: Sequence[tuple[How, int]] = (
    (How.FAIL_ONCE, errno.EIO),
    (How.FAIL_ON, errno.ENOSPC),
    (How.FAIL_ON, errno.EIO),
    (How.FAIL_ON, errno.EROFS),
    (How.FAIL_ONCE, errno.EMFILE),
    (How.FAIL_ONCE, errno.ENOSPC),
)
SIGNALS = {"sigkill": signal.SIGKILL, "sigterm": signal.SIGTERM}
_ANNOUNCED = re.compile(rb"^epoch (\d+)/", re.MULTILINE)


class Trial(msgspec.Struct, frozen=True):
    """What to do to which command; `at` is an operation, or thousandths of the time that the command takes."""

    target: str
    kind: str
    at: int
    how: int = 0
    error: int = 0
    reads: bool = False

    @property
    def name(self) -> str:
        """By which it can be repeated."""
        return f"{self.target}:{self.kind}:{self.at}"


class Told(msgspec.Struct, frozen=True):
    """How a trial went."""

    name: str
    kind: str
    struck: bool
    problems: list[str]


@dataclass(frozen=True)
class Reference:
    """The command left alone."""

    result: Any
    names: set[str]
    seconds: float
    operations: int
    with_reads: int


@dataclass(frozen=True)
class Bench:
    """Where trials are made."""

    desk: Desk
    scratch: Path
    shim: Shim
    references: Mapping[str, Reference]

    def undisturbed(self, target: str) -> Reference:
        """Run the command alone, twice, and count what it does to files."""
        counts, seconds = [], 0.0
        for reads in (False, True):
            room = self._room(f"alone-{target}", target)
            first = self.shim.armed(How.COUNT, 0, room.disk, reads=reads)
            outcome = run(TARGETS[target].arguments(self.desk), room, LIMITS, first)
            if outcome.code:
                raise RuntimeError(f"{target} does not even work undisturbed: {outcome.err.decode(errors='replace')}")
            counts.append(self.shim.operations)
            seconds = min(seconds, outcome.seconds) if seconds else outcome.seconds
            result, left = TARGETS[target].result(room, outcome), names(room)
            shutil.rmtree(room.path)
        return Reference(result, left, seconds, *counts)

    def try_one(self, trial: Trial) -> Told:
        """Strike, go on, compare."""
        told = self._try_once(trial, trial.at)
        # On a machine that does other things, too, the command may have been slower when it was left alone.
        if trial.kind in SIGNALS and not told.struck and not told.problems:
            return self._try_once(trial, trial.at // 2)
        return told

    def _try_once(self, trial: Trial, at: int) -> Told:
        room = self._room(trial.name.replace(":", "-"), trial.target)
        try:
            struck, problems = self._strike(trial, at, room)
            problems += self.finished(trial.target, room)
            return Told(trial.name, trial.kind, struck, problems)
        finally:
            shutil.rmtree(room.path, ignore_errors=True)

    def finished(self, target: str, room: Room) -> list[str]:
        """Run the same command to its end; what is not as if nothing had happened."""
        reference = self.references[target]
        outcome = run(TARGETS[target].arguments(self.desk), room, LIMITS)
        if outcome.code:
            said = outcome.err.decode("utf-8", "replace").strip().splitlines()
            return [f"cannot go on, exit code {outcome.code}: {said[-3:]}"]
        found = []
        if difference := _difference(reference.result, TARGETS[target].result(room, outcome)):
            found.append(f"another result than undisturbed: {difference}")
        if left := sorted(names(room) - reference.names):
            found.append(f"left over: {', '.join(left[:4])}")
        if lost := sorted(reference.names - names(room)):
            found.append(f"lost: {', '.join(lost[:4])}")
        return found

    def _room(self, name: str, target: str) -> Room:
        room = Room(self.scratch / name)
        room.make()
        TARGETS[target].prepare(self.desk, room)
        return room

    def _strike(self, trial: Trial, at: int, room: Room) -> tuple[bool, list[str]]:
        arguments = TARGETS[trial.target].arguments(self.desk)
        if trial.kind in SIGNALS:
            number = SIGNALS[trial.kind]
            pause = self.references[trial.target].seconds * at / 1000
            outcome = run(arguments, room, LIMITS, watch=_signal_after(pause, number))
            struck, expected = outcome.code != 0, (0, -number, 128 + number)
            problems = [] if outcome.code in expected else [f"exit code {outcome.code} by {number.name}"]
        else:
            how = How(trial.how)
            first = self.shim.armed(how, at, room.disk, trial.error, reads=trial.reads)
            outcome = run(arguments, room, LIMITS, first)
            struck = self.shim.operations >= at
            if how in (How.FAIL_ONCE, How.FAIL_ON):
                wrong = refusal(outcome)
                problems = [wrong] if wrong else []
            else:
                problems = [] if outcome.code in (0, -signal.SIGKILL) else [f"exit code {outcome.code}"]
        if b"Traceback" in outcome.err and not problems:
            said = outcome.err.decode(errors="replace").strip().splitlines()
            problems.append(f"a traceback: {' | '.join(said[-6:])[:500]}")
        return struck, problems + lost_epochs(room, outcome)


def lost_epochs(room: Room, outcome: Outcome) -> list[str]:
    """Epochs that were announced, and are not on the disk."""
    announced = max((int(number) for number in _ANNOUNCED.findall(outcome.err)), default=0)
    if not announced:
        return []
    try:
        saved = state_of(room.work / "run").epoch
    except Exception as error:  # Whatever is wrong with it: nobody may lose an epoch.
        return [f"epoch {announced} was announced, and the state cannot be read: {error}"]
    return [] if saved >= announced else [f"epoch {announced} was announced, and {saved} are saved"]


def _signal_after(seconds: float, number: signal.Signals) -> Callable[[int], None]:
    def strike(process: int) -> None:
        time.sleep(seconds)
        os.kill(process, number)

    return strike


def _difference(expected: Any, found: Any, where: str = "") -> str:
    """Where two results differ first; empty if nowhere."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            if difference := _difference(expected.get(key), found.get(key), f"{where}/{key}"):
                return difference
        return ""
    return "" if expected == found else where or "what it wrote"


def planned(references: Mapping[str, Reference], kills: int, faults: int, seed: int) -> list[Trial]:
    """So many of each: half of the kills at file operations, all over them, half at any moment."""
    rng = random.Random(seed)
    trials = []
    for target, number in _shares({name: each.operations for name, each in references.items()}, kills // 2).items():
        for index, at in enumerate(_spread(references[target].operations, number)):
            how = KILLS[index % len(KILLS)]
            trials.append(Trial(target, how.name.lower(), at, how))
    targets = sorted(references)
    for index in range(kills - len(trials)):
        target = targets[index % len(targets)]
        trials.append(Trial(target, "sigterm" if rng.random() < 0.3 else "sigkill", rng.randrange(1000)))
    for target, number in _shares({name: each.with_reads for name, each in references.items()}, faults).items():
        for index, at in enumerate(_spread(references[target].with_reads, number)):
            how, error = FAULTS[index % len(FAULTS)]
            kind = f"{errno.errorcode[error]}{' from there on' if how == How.FAIL_ON else ''}"
            trials.append(Trial(target, kind, at, how, error, reads=True))
    rng.shuffle(trials)
    return trials


def _shares(weights: Mapping[str, int], total: int) -> dict[str, int]:
    whole = sum(weights.values())
    return {name: round(total * weight / whole) for name, weight in weights.items()}


def _spread(last: int, number: int) -> list[int]:
    """So many numbers from 1 to `last`, evenly; some twice if there are fewer."""
    return [1 + index * last // number for index in range(number)]
