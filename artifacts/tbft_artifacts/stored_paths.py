"""Paths in files, which are UTF-8, as the names of files need not be.

Old cameras, memory sticks and archives give names in other encodings; Python keeps their bytes as surrogates. An
absolute path with such bytes is stored as a `file:` URI (RFC 8089), which names them by `%E9`; any other as it is.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

from tbft_artifacts.errors import TbftError

_SCHEME = "file://"


def stored(path: Path) -> str:
    r"""The absolute path as text that every file can hold.

    Example:
        >>> stored(Path("/photos"))
        '/photos'
        >>> stored(Path(os.fsdecode(b"/caf\xe9")))
        'file:///caf%E9'
    """
    text = str(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        return path.as_uri()
    return text


def from_stored(text: str) -> Path:
    r"""The path that was stored.

    Raises:
        TbftError: It has a NUL, which no path has.

    Example:
        >>> os.fsencode(from_stored("file:///caf%E9"))
        b'/caf\xe9'
    """
    if not text.startswith(_SCHEME):
        return Path(text)
    path = unquote_to_bytes(text.removeprefix(_SCHEME))
    if b"\0" in path:
        raise TbftError(f"'{text}' is no path: it has a NUL in it", "somebody changed the file that names it")
    return Path(os.fsdecode(path))
