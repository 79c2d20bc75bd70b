"""Where the files and commands of a board are; another root stands for another board."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

COMMAND_SECONDS = 10


@dataclass(frozen=True)
class Board:
    """Where to look: the root of the file system, and how to run a command (None: it is not there or fails)."""

    root: Path
    run: Callable[[Sequence[str]], str | None]

    def read(self, path: str) -> str | None:
        """The text of a file below the root, without trailing zero bytes and white space; None if there is none."""
        try:
            return (self.root / path).read_text(errors="replace", encoding="utf-8").rstrip("\0\n ")
        except OSError:
            return None


def run_command(command: Sequence[str]) -> str | None:
    """What a command prints, or None if it is missing, fails or hangs."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
            encoding="utf-8",
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


THIS_BOARD = Board(Path("/"), run_command)
