"""Run a command under a memory limit: a control group, version 1 or 2."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tbft_edge.emulation.guest import UnavailableError

CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryGroup:
    """A control group with a limit; `peak_file` says the most it ever used."""

    folder: Path
    peak_file: Path

    def wrap(self, command: Sequence[str]) -> list[str]:
        """The command that first moves itself into the group."""
        return ["sh", "-c", f'echo $$ > "{self.folder}/cgroup.procs" && exec "$@"', "sh", *command]

    def peak_bytes(self) -> int | None:
        """The group's memory high-water mark, file cache included; None if the kernel does not keep it."""
        try:
            return int(self.peak_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


@contextlib.contextmanager
def memory_group(limit: int | None, cgroups: Path = CGROUPS) -> Iterator[MemoryGroup]:
    """Make a group limited to `limit` bytes (None: only measured), and remove it afterwards.

    Raises UnavailableError without root or without a memory controller.
    """
    name = f"tbft-edge-{secrets.token_hex(4)}"
    v1 = (cgroups / "memory").is_dir()
    folder = (cgroups / "memory" if v1 else cgroups) / name
    limit_file, peak = ("memory.limit_in_bytes", "memory.max_usage_in_bytes") if v1 else ("memory.max", "memory.peak")
    try:
        if not v1:
            (cgroups / "cgroup.subtree_control").write_text("+memory", encoding="utf-8")
        folder.mkdir()
        if limit is not None:
            (folder / limit_file).write_text(str(limit), encoding="utf-8")
            if not v1 and (folder / "memory.swap.max").exists():
                (folder / "memory.swap.max").write_text("0", encoding="utf-8")
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise UnavailableError(f"no memory control group can be made ({error.strerror}); it takes root") from error
    try:
        yield MemoryGroup(folder, folder / peak)
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """The kernel lets go of a group a moment after its last process ended."""
    for _ in range(50):
        try:
            folder.rmdir()
        except OSError:
            time.sleep(0.02)
        else:
            return
