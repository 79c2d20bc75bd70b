"""The real command in a forked child of this process, which has everything imported already."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import os
import pkgutil
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tbft_edge.main import main

_POLL_MS = 10
_PRELOADED = (
    *("tbft_artifacts", "tbft_runtime", "tbft_edge.commands", "tbft_edge.facts", "tbft_edge.pages", "tbft_edge.tables"),
    "tbft_edge.progress",
)
_HANDLED = (signal.SIGINT, signal.SIGTERM)
_PAGE = os.sysconf("SC_PAGE_SIZE")
# A look at the disk walks through folders, so not every time.
_POLLS_PER_LOOK_AT_DISK = 8


@dataclass(frozen=True)
class Limits:
    """What a command may take before it is ended. `disk_bytes`: of its room, its input included."""

    seconds: float = 30
    memory_bytes: int = 1 << 30
    disk_bytes: int = 128 << 20


@dataclass(frozen=True)
class Room:
    """The folders of one command. It runs in `work`; its streams are kept beside the disk that it knows."""

    path: Path

    @property
    def disk(self) -> Path:
        """Everything that the command may change."""
        return self.path / "disk"

    @property
    def work(self) -> Path:
        """Its working directory."""
        return self.disk / "work"

    @property
    def temporary(self) -> Path:
        """Its TMPDIR."""
        return self.disk / "tmp"

    @property
    def home(self) -> Path:
        return self.disk / "home"

    @property
    def out(self) -> Path:
        return self.path / "stdout"

    @property
    def err(self) -> Path:
        return self.path / "stderr"

    def make(self) -> None:
        for folder in (self.work, self.temporary, self.home):
            folder.mkdir(parents=True)


@dataclass(frozen=True)
class Outcome:
    """How a command ended. `code` is negative where a signal ended it; `stopped` is why this process had to."""

    code: int
    out: bytes
    err: bytes
    seconds: float
    peak_bytes: int
    stopped: str | None


def run(
    arguments: Sequence[str],
    room: Room,
    limits: Limits = Limits(),
    first: Callable[[], None] = lambda: None,
    watch: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Run `tbft-edge arguments` in `room.work`, watched.

    `first` runs in the child ahead of the command, `watch` here with the child's process id while it runs.
    """
    began = time.monotonic()
    sys.stdout.flush()
    # Signals wait until the child has handlers of its own.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    child = os.fork()
    if child == 0:
        _be_the_command(arguments, room, lambda: (signal.pthread_sigmask(signal.SIG_SETMASK, before), first()))
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        watch(child)
        stopped = _wait(child, room, limits, began + limits.seconds)
    except BaseException:  # Nobody would end it any more.
        os.kill(child, signal.SIGKILL)
        os.wait4(child, 0)
        raise
    _, status, usage = os.wait4(child, 0)
    with contextlib.suppress(ProcessLookupError):  # Whatever it started and left.
        os.killpg(child, signal.SIGKILL)
    return Outcome(
        code=os.waitstatus_to_exitcode(status),
        out=room.out.read_bytes() if room.out.exists() else b"",
        err=room.err.read_bytes() if room.err.exists() else b"",
        seconds=time.monotonic() - began,
        peak_bytes=usage.ru_maxrss * 1024,
        stopped=stopped,
    )


def _be_the_command(arguments: Sequence[str], room: Room, first: Callable[[], object]) -> None:
    """Never returns: the process ends as the command does."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.chdir(room.work)
        os.environ["TMPDIR"], os.environ["HOME"] = str(room.temporary), str(room.home)
        tempfile.tempdir = None
        _redirect(room)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["tbft-edge", *arguments]
        first()
        code = _code_of(main)
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BaseException:  # What `main` lets through is a defect, and must be seen as one.
        os.write(2, traceback.format_exc().encode(errors="replace"))
        code = 1
    finally:
        os._exit(code)


def _code_of(command: Callable[[], None]) -> int:
    try:
        command()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _redirect(room: Room) -> None:
    """Streams into files, as a log has them."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for number, path in ((1, room.out), (2, room.err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w"), "utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w"), "utf-8", "backslashreplace", write_through=True)


def _wait(child: int, room: Room, limits: Limits, deadline: float) -> str | None:
    """Until the child ended; end it where it takes too much of anything, and say of what."""
    descriptor = os.pidfd_open(child)
    try:
        polls = 0
        while not select.select([descriptor], [], [], _POLL_MS / 1000)[0]:
            polls += 1
            if polls % _POLLS_PER_LOOK_AT_DISK == 0 and disk_use(room.disk) > limits.disk_bytes:
                excess = f"more than {limits.disk_bytes >> 20} MiB written"
            elif time.monotonic() > deadline:
                excess = f"still running after {limits.seconds:.0f} s"
            elif _resident(child) > limits.memory_bytes:
                excess = f"more than {limits.memory_bytes >> 20} MiB of memory"
            else:
                continue
            os.kill(child, signal.SIGKILL)
            return excess
    finally:
        os.close(descriptor)
    return None


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):  # It ended meanwhile.
        return 0


def disk_use(folder: Path) -> int:
    """Bytes on the disk of everything below `folder`."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512  # noqa: PTH118  (walked often)
    return total


def preload(more: Sequence[str] = ()) -> None:
    """Import what commands import when they run, and packages `more`, so that each child starts with it."""
    for name in (*_PRELOADED, *more):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}."):
            with contextlib.suppress(ImportError):  # Commands of the host need more than a device has.
                importlib.import_module(module.name)
    from PIL import Image

    Image.init()
    gc.collect()
    gc.freeze()  # Else the first collection in each child would copy everything.


def remove(scratch: Path) -> None:
    """Remove a folder of rooms at the end, whoever is impatient."""
    for number in _HANDLED:
        signal.signal(number, signal.SIG_IGN)
    shutil.rmtree(scratch, ignore_errors=True)
