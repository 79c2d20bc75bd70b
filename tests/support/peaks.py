"""How much memory processes took at most, and those that they began."""

from __future__ import annotations

from pathlib import Path


def family(pid: int) -> list[tuple[int, str]]:
    """A process and all below it that are there now: number and command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [(pid, words), *(each for child in children for each in family(int(child)))]


def peak(pid: int) -> int:
    """VmHWM of proc_pid_status(5), in bytes; 0 of a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
