"""The machine that computes: what its processor is, and how much memory is left."""

from __future__ import annotations

import contextlib
import ctypes
import platform
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

# What in /proc/cpuinfo decides which kernels a library picks; clock rates and the like change all the time.
_PROCESSOR_KEYS = {
    *("vendor_id", "cpu family", "model", "model name", "flags"),
    *("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "Features"),
}


def processor(root: Path = Path("/")) -> str:
    """A text that differs where the same program may compute other last bits."""
    first = _read(root / "proc/cpuinfo").split("\n\n")[0]
    lines = [line for line in first.splitlines() if line.partition(":")[0].strip() in _PROCESSOR_KEYS]
    return "\n".join([platform.machine(), *lines])


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process can still take without swapping or reaching a container's limit; None if unknown."""
    known = [limit for limit in (_of_system(root), *_of_control_groups(root)) if limit is not None]
    return max(0, min(known)) if known else None


def resident_memory(root: Path = Path("/")) -> int:
    """Bytes of this process that are in memory now; 0 if unknown."""
    kibibytes = _value(_read(root / "proc/self/status"), "VmRSS:")
    return 0 if kibibytes is None else kibibytes * 1024


def peak_memory(root: Path = Path("/")) -> int:
    """The most bytes of this process that were in memory at once.

    Not what `getrusage` says, where the kernel tells more: that begins with the size of the process that started
    this one, which may be larger.
    """
    kibibytes = _value(_read(root / "proc/self/status"), "VmHWM:")
    if kibibytes is None:
        kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # In KiB on Linux.
    return kibibytes * 1024


def give_memory_back() -> None:
    """Hand the system what was freed: the C library keeps pictures' worth of it, which would count as the process's."""
    with contextlib.suppress(OSError, AttributeError):  # Only glibc has it.
        ctypes.CDLL(None).malloc_trim(0)


def _of_system(root: Path) -> int | None:
    kibibytes = _value(_read(root / "proc/meminfo"), "MemAvailable:")
    return None if kibibytes is None else kibibytes * 1024


def memory_limit(root: Path = Path("/")) -> int | None:
    """The least that the process's control groups allow, in bytes; None if nothing limits it."""
    return min((group.limit for group in _groups(root)), default=None)


def _of_control_groups(root: Path) -> list[int]:
    """What the process's control groups leave; the page cache can be taken back."""
    return [group.limit - group.used for group in _groups(root)]


class _Group(NamedTuple):
    """A limit, and the bytes that its group takes and nobody else can have."""

    limit: int
    used: int


def _groups(root: Path) -> list[_Group]:
    """Every limit of the process's own groups and of those above them, of version 2 and 1 of control groups.

    Inside a container the group's name may be that outside of it; the topmost folder is then its own group.
    """
    found: list[_Group] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, controllers, name = (*line.split(":", 2), "", "")[:3]
        if number == "0" and not controllers:
            found += _limits(root / "sys/fs/cgroup", name, ("memory.max", "memory.high"), "anon", "memory.current")
        elif "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup/memory"
            found += _limits(top, name, ("memory.limit_in_bytes",), "total_rss", "memory.usage_in_bytes")
    return found


def _limits(top: Path, name: str, limits: Sequence[str], in_use: str, in_all: str) -> Iterator[_Group]:
    own = top / name.strip("/")
    for path in (own, *own.parents):
        if not path.is_relative_to(top):
            return
        used = _value(_read(path / "memory.stat"), in_use)
        if used is None:  # Of a kernel that does not divide them, with the page cache.
            used = _number(_read(path / in_all))
        for limit in (_number(_read(path / each)) for each in limits):
            if limit is not None:
                yield _Group(limit, used or 0)


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def _value(text: str, key: str) -> int | None:
    """The number behind `key` in a file of lines `key number`."""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == [key] and words[1:2] and words[1].isdecimal():
            return int(words[1])
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace", encoding="utf-8")
    except OSError:
        return ""
