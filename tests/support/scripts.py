"""Programs that a test writes."""

from __future__ import annotations

from pathlib import Path


def script(path: Path, *lines: str) -> None:
    """A program of the shell."""
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o700)
