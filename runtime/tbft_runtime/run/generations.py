"""A file and the one before it, of which at least one is whole at any moment."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from tbft_artifacts.atomic import atomic_file


def keep_previous(path: Path, previous: Path) -> None:
    """Let `previous` be the file at `path`, which stays; nothing happens if there is none.

    Both are one file then, until `path` is replaced. Raises OSError or TbftError.
    """
    if not path.exists():
        return
    temporary = previous.with_name(f".{previous.name}.{secrets.token_hex(4)}.tmp")
    try:
        os.link(path, temporary)
        temporary.replace(previous)
    except OSError:  # Sticks and shares without hard links.
        with atomic_file(previous) as copy:
            shutil.copyfile(path, copy)
    finally:
        # A rename from one name of a file to another name of the same does nothing.
        temporary.unlink(missing_ok=True)
