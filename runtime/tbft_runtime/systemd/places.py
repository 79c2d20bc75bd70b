"""Where the service reads and writes, and how a file system that is closed to it is opened there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# What `ProtectHome=` and `PrivateTmp=` hide.
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))
# What systemd makes for the service, and keeps for its user alone.
STATE = Path("/var/lib/tbft-edge")


@dataclass(frozen=True)
class Places:
    """`state` is where the agent keeps everything; beside it what it only reads, and what else it writes."""

    state: Path
    reads: tuple[Path, ...]
    writes: tuple[Path, ...]

    @property
    def every(self) -> tuple[Path, ...]:
        return (self.state, *self.reads, *self.writes)

    @property
    def is_in_homes(self) -> bool:
        return any(_is_below(path, _HOMES) for path in self.every)

    @property
    def written(self) -> list[Path]:
        """What is writable though the rest of the file system is not."""
        made = [] if self.state == STATE else [self.state]
        return sorted({*made, *self.writes} - {path for path in self.every if is_hidden(path)})

    @property
    def bound_to_write(self) -> list[Path]:
        return sorted({path for path in (self.state, *self.writes) if is_hidden(path)})

    @property
    def bound_to_read(self) -> list[Path]:
        """Without what lies in one of the others: it is there already."""
        found = {path for path in self.reads if is_hidden(path)}
        above = found | set(self.bound_to_write)
        return sorted(path for path in found if not above & set(path.parents) and path not in self.bound_to_write)


def is_hidden(path: Path) -> bool:
    """Whether the service sees it only where it is bound."""
    return _is_below(path, _HOMES + _TEMPORARY)


def _is_below(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
