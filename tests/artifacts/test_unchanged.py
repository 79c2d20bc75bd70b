"""A file that is read twice is the same twice, or an error."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_artifacts import unchanged
from tbft_artifacts.errors import TbftError
from tbft_artifacts.unchanged import Unchanged

CONTENT = bytes(range(256)) * 10


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several, and one that is not full."""
    monkeypatch.setattr(unchanged, "CHUNK", 1000)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[BinaryIO]:
    (tmp_path / "file").write_bytes(CONTENT)
    with (tmp_path / "file").open("rb") as file:
        yield file


@given(places=st.lists(st.tuples(st.integers(0, len(CONTENT) + 10), st.integers(0, len(CONTENT)))))
def test_every_part_is_read_as_it_was(tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, int]]) -> None:
    """From wherever, however much; and the hash is that of the whole."""
    path = tmp_path_factory.mktemp("unchanged") / "file"
    path.write_bytes(CONTENT)
    with path.open("rb") as file, io.BufferedReader(whole := Unchanged(file, path)) as reader:
        assert whole.sha256 == hashlib.sha256(CONTENT).hexdigest()
        for start, size in places:
            reader.seek(start)
            assert reader.read(size) == CONTENT[start : start + size]


def test_what_is_written_meanwhile_is_not_read(file: BinaryIO, tmp_path: Path) -> None:
    """Pieces before it are still given, and none behind."""
    whole = Unchanged(file, tmp_path / "file")
    with (tmp_path / "file").open("r+b") as writer:
        writer.seek(1500)
        writer.write(b"?")
    reader = io.BufferedReader(whole, 10)
    assert reader.read(1000) == CONTENT[:1000]
    with pytest.raises(TbftError, match="file' changed while it was read"):
        reader.read(1)


def test_what_is_cut_meanwhile_is_not_read(file: BinaryIO, tmp_path: Path) -> None:
    """Nor is the end taken to be an earlier one."""
    whole = Unchanged(file, tmp_path / "file")
    (tmp_path / "file").write_bytes(CONTENT[:1000])
    with pytest.raises(TbftError, match="changed while it was read"):
        io.BufferedReader(whole).read()


def test_what_is_appended_meanwhile_is_not_read(file: BinaryIO, tmp_path: Path) -> None:
    """It was not hashed."""
    whole = Unchanged(file, tmp_path / "file")
    with (tmp_path / "file").open("ab") as writer:
        writer.write(b"more")
    assert io.BufferedReader(whole).read() == CONTENT


def test_an_empty_file(tmp_path: Path) -> None:
    """It has an end at once."""
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open("rb") as file:
        assert io.BufferedReader(Unchanged(file, tmp_path / "empty")).read() == b""
