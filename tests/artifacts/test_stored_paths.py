"""A path comes back from a file as it was, whatever bytes are in it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_artifacts.errors import TbftError
from tbft_artifacts.stored_paths import from_stored, stored
from tbft_artifacts.words import printable

NAMES = st.binary(min_size=1, max_size=40).map(lambda name: name.replace(b"\0", b"x").replace(b"/", b"y"))


@given(NAMES)
def test_paths_come_back(name: bytes) -> None:
    path = Path(os.fsdecode(b"/photos/" + name))
    text = msgspec.json.decode(msgspec.json.encode(stored(path)), type=str)
    assert from_stored(text) == path


def test_ordinary_paths_are_as_they_were() -> None:
    """Also those that look like an escape."""
    for text in ("/photos/Bücher 图", "/photos/caf%E9", "/file:/caf\\xe9"):
        assert stored(Path(text)) == text
        assert from_stored(text) == Path(text)


def test_the_bytes_of_others_can_be_read() -> None:
    path = Path(os.fsdecode(b"/photos/caf\xe9"))
    assert stored(path) == "file:///photos/caf%E9"
    assert printable(path) == "/photos/caf\\xe9"
    assert printable("Bücher") == "Bücher"


@pytest.mark.parametrize("text", ["file:///x%00y", "file:///%00", "file:///photos/a\x00b"])
def test_a_path_with_a_nul_is_an_error(text: str) -> None:
    """No system has such a path; asked for one, Python raises what nobody expects of a path."""
    with pytest.raises(TbftError, match="NUL"):
        from_stored(text)
