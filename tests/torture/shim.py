"""The library that does something to a command at one of its file operations; built with gcc when it is needed."""

from __future__ import annotations

import ctypes
import enum
import mmap
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
_WITH_READS = 256


class How(enum.IntEnum):
    """What happens at the operation; the numbers are those of shim.c."""

    COUNT = 0
    KILL = 1
    KILL_AFTER = 2
    PLUG = 3
    """SIGKILL, and what was not flushed is emptied or zero."""
    HALF = 4
    """Half a write, then SIGKILL."""
    FAIL_ONCE = 5
    FAIL_ON = 6
    """From there on."""


def why_not() -> str | None:
    """Why it cannot be built here, or None."""
    return None if shutil.which("gcc") else "there is no gcc to build tests/torture/shim.c with"


def build(folder: Path) -> Path:
    """Compile it into `folder`."""
    library = folder / "shim.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", library, SOURCE, "-ldl", "-lpthread"]
    subprocess.run(command, check=True)
    return library


@dataclass(frozen=True)
class Shim:
    """The library in this process, into which it was preloaded; children inherit it."""

    library: Path
    _shared: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, mmap.PAGESIZE))

    def armed(self, how: How, at: int, below: Path, error: int = 0, *, reads: bool = False) -> Callable[[], None]:
        """What a child has to call first, so that it suffers at operation `at` (from 1) below a folder."""
        counter = ctypes.c_int.from_buffer(self._shared)
        counter.value = 0
        arm = ctypes.CDLL(os.fspath(self.library)).shim_arm
        mode = int(how) | (_WITH_READS if reads else 0)
        return lambda: arm(mode, at, error, os.fsencode(below), ctypes.byref(counter))

    @property
    def operations(self) -> int:
        """How many the child that was armed last has done or tried."""
        return ctypes.c_int.from_buffer(self._shared).value
