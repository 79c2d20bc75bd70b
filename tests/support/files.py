"""What lies in a folder, to compare before with after."""

from __future__ import annotations

import hashlib
from pathlib import Path


def listing(folder: Path) -> dict[str, str]:
    """Path relative to `folder` -> what is there: a hash of the content, the target of a link, or `folder`."""
    return {path.relative_to(folder).as_posix(): _describe(path) for path in sorted(folder.rglob("*"))}


def _describe(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if path.is_dir():
        return "folder"
    return hashlib.sha256(path.read_bytes()).hexdigest()
