"""Power cuts: what a disk would hold at a moment, mounted anew as after a restart. Needs root and a loop device."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.forked_command import Room, run
from torture.targets import TARGETS
from torture.trials import LIMITS, Bench, Told, lost_epochs

_MEGABYTES = 32
_TOOLS = ("mount", "umount", "mkfs.ext4", "losetup")
# A journal that waits long, and one that lets data follow later.
OPTIONS = ("commit=60", "commit=60,data=writeback")
_PATIENCE = 5


def why_not(folder: Path) -> str | None:
    """Why no disk can be mounted here, or None."""
    if os.geteuid() != 0:
        return "mounting a disk takes root"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    try:
        disk = Disk(folder / "try.img", folder / "try", OPTIONS[0])
        disk.make()
        disk.mount()
        disk.unmount()
    except subprocess.CalledProcessError as error:
        return f"no loop device can be mounted: {error.stderr.decode(errors='replace').strip()}"
    return None


@dataclass(frozen=True)
class Disk:
    """A file with an ext4 file system, and where it is mounted."""

    image: Path
    place: Path
    options: str
    megabytes: int = _MEGABYTES

    def make(self) -> None:
        with self.image.open("wb") as file:
            file.truncate(self.megabytes << 20)
        _do("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", str(self.image))

    def mount(self) -> None:
        self.place.mkdir(exist_ok=True)
        _do("mount", "-o", f"loop,{self.options}", str(self.image), str(self.place))

    def unmount(self) -> None:
        for _ in range(50):  # What was just killed may not be gone yet.
            done = subprocess.run(["umount", self.place], capture_output=True, check=False)
            if done.returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.place} cannot be unmounted: {done.stderr.decode(errors='replace')}")


def _do(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def cuts(bench: Bench, number: int, seed: int) -> Sequence[Told]:
    """Cut the power so many times, at random moments of a training."""
    rng = random.Random(seed)
    targets = [name for name in TARGETS if name.startswith("train-")]
    told = []
    for index in range(number):
        target, options = targets[index % len(targets)], OPTIONS[index // len(targets) % 2]
        moment = rng.random()
        told.append(_cut(bench, target, options, moment, index))
        # On a machine that does other things, too, the command may have been slower when it was left alone.
        if not told[-1].struck:
            told[-1] = _cut(bench, target, options, moment / 2, index)
    return told


def _cut(bench: Bench, target: str, options: str, moment: float, index: int) -> Told:
    folder = bench.scratch / f"power-{index}"
    folder.mkdir(parents=True)
    disk = Disk(folder / "disk.img", folder / "disk", options)
    after = Disk(folder / "after.img", folder / "disk", options)
    try:
        disk.make()
        disk.mount()
        room = Room(disk.place / "room")
        try:
            room.make()
            os.sync()
            pause = bench.references[target].seconds * moment
            outcome = run(
                TARGETS[target].arguments(bench.desk),
                room,
                LIMITS,
                watch=lambda child: _pull(child, pause, disk, after),
            )
        finally:
            disk.unmount()
        after.mount()
        try:
            # The streams of the first one may be lost with the power; what it said is known.
            problems = lost_epochs(room, outcome) + bench.finished(target, room)
        finally:
            after.unmount()
        return Told(f"{target}:power cut ({options}):{moment:.3f}", "power cut", outcome.code != 0, problems)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pull(child: int, pause: float, disk: Disk, after: Disk) -> None:
    """Stop the process, copy what reached the disk, and end it."""
    time.sleep(pause)
    os.kill(child, signal.SIGSTOP)
    wait_until_stopped(child)
    shutil.copyfile(disk.image, after.image)
    os.kill(child, signal.SIGKILL)


def wait_until_stopped(child: int) -> None:
    """Until no operation of it is under way: a copy would see a part of it, and of what followed, in no order."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state in ("T", "Z", "X"):
            return
        time.sleep(0.001)
