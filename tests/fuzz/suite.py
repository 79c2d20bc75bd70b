"""Cases by their ids, such as `manifests-000123`: each is made from the seed and its id alone."""

from __future__ import annotations

import contextlib
import os
import random
import select
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fuzz import traces, verdict
from fuzz.desk import Desk
from fuzz.surfaces import SURFACES
from support.forked_command import Limits, Room, run

# Of a failing case, larger files are told of and not kept: the case can be made again.
_KEPT_BYTES = 32 << 20
LIMITS = Limits()
# Seconds until what may be slow is interrupted.
PATIENCE = 4


class Finding(msgspec.Struct, frozen=True):
    """A case, and what is wrong with it; nothing, mostly."""

    case: str
    what: str
    command: str
    problems: list[str]
    seconds: float
    code: int


@dataclass(frozen=True)
class Suite:
    """Where cases are made, and where those are kept that failed."""

    desk: Desk
    scratch: Path
    kept: Path
    seed: int

    def try_case(self, case_id: str) -> Finding:
        """Make the case, run its command, and judge."""
        surface, _, _ = case_id.rpartition("-")
        room = Room(self.scratch / case_id)
        room.make()
        try:
            rng = random.Random(f"{self.seed}/{case_id}")
            case = SURFACES[surface].make(self.desk, rng, room.work)
            before = traces.listing(room.disk)
            self._keep_input(room, case_id)
            outcome = run(case.arguments, room, LIMITS, watch=_interrupt if case.may_be_slow else _wait)
            found = verdict.problems(case, outcome, before, room, LIMITS)
            if found:
                self._keep(room, case_id)
                verdict.saved(self.kept / case_id / "case.txt", case, found, outcome)
            else:
                self._forget(case_id)
            shown = f"tbft-edge {' '.join(map(ascii, case.arguments))}"
            return Finding(case_id, ascii(case.what)[1:-1], shown, found, outcome.seconds, outcome.code)
        finally:
            shutil.rmtree(room.path, ignore_errors=True)

    def _keep_input(self, room: Room, case_id: str) -> None:
        """As it was before the command ran, which may change it."""
        _copy(room.work, self.kept / case_id / "input")

    def _keep(self, room: Room, case_id: str) -> None:
        for path in (room.out, room.err):
            with contextlib.suppress(OSError):
                shutil.copy(path, self.kept / case_id / path.name)

    def _forget(self, case_id: str) -> None:
        shutil.rmtree(self.kept / case_id, ignore_errors=True)


def _wait(_process: int) -> None:
    """As long as the limits say."""


def _interrupt(process: int) -> None:
    """End a process that takes long as an impatient user does, or a service manager: by a signal, and another one."""
    descriptor = os.pidfd_open(process)
    try:
        for patience in (PATIENCE, 1):
            if select.select([descriptor], [], [], patience)[0]:
                return
            os.kill(process, signal.SIGTERM)
    finally:
        os.close(descriptor)


def _copy(source: Path, target: Path) -> None:
    """Files, folders, links and pipes as they are; of what is large, its size."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        there = target / path.name
        if path.is_symlink():
            there.symlink_to(path.readlink())
        elif path.is_dir():
            _copy(path, there)
        elif not path.is_file():
            os.mkfifo(there)
        elif path.stat().st_size > _KEPT_BYTES:
            there.with_name(f"{there.name}.size").write_text(f"{path.stat().st_size} bytes, not kept\n")
        else:
            shutil.copy2(path, there)


def chosen(cases: int, only: Sequence[str] | None = None) -> list[str]:
    """The ids of so many cases, of each surface as many as its weight says, in turns."""
    names = list(only or SURFACES)
    total = sum(SURFACES[name].weight for name in names)
    shares = {name: max(1, round(cases * SURFACES[name].weight / total)) for name in names}
    ids = [(number / shares[name], f"{name}-{number:06}") for name in names for number in range(shares[name])]
    return [case_id for _, case_id in sorted(ids)]
