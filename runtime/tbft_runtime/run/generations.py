"""A file and the one before it, of which at least one is whole at any moment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.rights import shared_as
from tbft_artifacts.temporary import beside


def keep_previous(path: Path, previous: Path) -> None:
    """Let `previous` be the file at `path`, which stays; nothing happens if there is none.

    Both are one file then, until `path` is replaced. Raises OSError or TbftError.
    """
    if not path.exists():
        return
    temporary = beside(previous)
    try:
        os.link(path, temporary)
        temporary.replace(previous)
    except OSError:  # Sticks and shares without hard links.
        with atomic_file(previous, mode=shared_as(previous.parent)) as copy:
            shutil.copyfile(path, copy)
    finally:
        # A rename from one name of a file to another name of the same does nothing.
        temporary.unlink(missing_ok=True)
