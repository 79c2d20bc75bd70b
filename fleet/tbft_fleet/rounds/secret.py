"""What a SuperNode or SuperLink and our runner share, so that no other user of the machine takes on their tasks."""

from __future__ import annotations

import secrets
from pathlib import Path

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.rights import PRIVATE_FILE, private_folder

_BYTES = 32


def make_secret(path: Path) -> bytes:
    """The one in `path`, or a new one, which only this user may read. Raises TbftError for a full disk."""
    if not path.exists():
        private_folder(path.parent)
        with atomic_file(path, mode=PRIVATE_FILE) as temporary:
            temporary.write_bytes(secrets.token_bytes(_BYTES))
    return path.read_bytes()
