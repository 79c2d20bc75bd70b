"""`python -m torture.agent_power`: the power of an agent that adapts is cut; what reached its disk has to answer.

The folder of its state is a file system of its own, which is copied while everything that writes there stands still,
and mounted anew as after a restart. Needs root and a loop device.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from torture.agent_kills import Lives
from torture.agent_world import World, make_world
from torture.killing import asked
from torture.power import OPTIONS, Disk, wait_until_stopped, why_not
from torture.saying import say

SECONDS_PER_CUT = 25.0
# 64 MiB are left to others, and below that nothing is kept or trained.
_MEGABYTES = 192
_LONGEST_LIFE = 40.0


def torture(world: World, cuts: int, seed: int) -> Lives:
    """Cut it so many times, and go on each time with what the disk had."""
    rng, counted, known = random.Random(seed), Lives(), 0
    disk = Disk(world.folder / "disk.img", world.state, OPTIONS[seed % len(OPTIONS)], _MEGABYTES)
    disk.make()
    disk.mount()
    try:
        with world.lives(seed):
            while counted.kills < cuts:
                process = world.start()
                if world.answers(process) is None:
                    counted.find(f"after cut {counted.kills} it does not answer")
                world.live(rng.random() * _LONGEST_LIFE)
                seen = _swaps(world)
                disk = _cut(process, disk, world.folder / f"{counted.kills}.img")
                # What the journal said is lost with what did not reach the disk.
                counted.swaps, known = counted.swaps + seen - known, _swaps(world)
                counted.kills += 1
                counted.look(world, f"after cut {counted.kills}")
    finally:
        disk.unmount()
    return counted


def _swaps(world: World) -> int:
    """As far as the journal that is there says."""
    journal = world.state / "journal.jsonl"
    return journal.read_bytes().count(b'"what":"better"') if journal.exists() else 0


def _cut(process: ForkServerProcess, disk: Disk, image: Path) -> Disk:
    """Mounted in its place: what the disk held when the agent stood still, and all that it began."""
    assert process.pid is not None
    stopped: list[int] = []
    for pids in ([process.pid], _begun_by(process.pid)):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            wait_until_stopped(pid)
            stopped.append(pid)
    after = Disk(image, disk.place, disk.options, disk.megabytes)
    shutil.copyfile(disk.image, after.image)
    for pid in stopped:
        os.kill(pid, signal.SIGKILL)
    process.join()
    disk.unmount()
    disk.image.unlink()
    after.mount()
    return after


def _begun_by(process: int) -> list[int]:
    """Its children: trainings, which begin nothing themselves."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(pid) for children in tasks for pid in children.read_text().split()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if it answered after every cut, and nothing was half written."""
    found = asked("torture.agent_power", __doc__, 40, SECONDS_PER_CUT, arguments)
    if found is None:
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tbft-edge-agent-") as scratch:
        reason = why_not(Path(scratch))
        if reason is not None:
            say(f"no power can be cut: {reason}")
            return 2
        world = make_world(Path(scratch) / "world")
        world.state.mkdir()
        counted = torture(world, found.kills, found.seed)
    for state, count in counted.states.most_common():
        say(f"{state:16}{count:5} cuts")
    seconds = time.monotonic() - began
    say(f"{counted.kills} cuts in {seconds:.0f} s, {counted.swaps} swaps; {len(counted.problems)} problems")
    return 1 if counted.problems or not counted.swaps else 0


if __name__ == "__main__":
    sys.exit(main())
