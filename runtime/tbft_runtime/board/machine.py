"""The machine that computes: what its processor is, and how much memory is left."""

from __future__ import annotations

import platform
import resource
from pathlib import Path

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


def _of_system(root: Path) -> int | None:
    kibibytes = _value(_read(root / "proc/meminfo"), "MemAvailable:")
    return None if kibibytes is None else kibibytes * 1024


def _of_control_groups(root: Path) -> list[int | None]:
    """What the process's control group (version 2) and those above leave; the page cache can be taken back."""
    own = next((line[3:] for line in _read(root / "proc/self/cgroup").splitlines() if line.startswith("0::")), None)
    if own is None:
        return []
    top = root / "sys/fs/cgroup"
    group = top / own.strip("/")
    return [_of_group(path) for path in (group, *group.parents) if path.is_relative_to(top)]


def _of_group(group: Path) -> int | None:
    limit = _read(group / "memory.max").strip()
    used = _value(_read(group / "memory.stat"), "anon")
    return int(limit) - used if limit.isdecimal() and used is not None else None


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
