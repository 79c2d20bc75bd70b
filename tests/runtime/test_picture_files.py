"""A picture's file is read once, and its checksum is taken on the way."""

from __future__ import annotations

import hashlib
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.bundles import CLASSES
from support.runs import fine_tune
from support.toys import coloured_squares, png, save_folders
from tbft_artifacts.regular import open_regular
from tbft_runtime.data.files import ChecksummedFile
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.sources import open_source

IMAGES, LABELS = coloured_squares(24)
OPENED: list[str] = []
HOOKED: list[bool] = []


def _opened(event: str, arguments: tuple[Any, ...]) -> None:
    if HOOKED and event == "open" and isinstance(arguments[0], str | Path):
        OPENED.append(str(arguments[0]))


sys.addaudithook(_opened)


@given(st.binary(max_size=3000), st.lists(st.tuples(st.integers(0, 3000), st.integers(-1, 3000)), max_size=12))
@settings(max_examples=100, deadline=None)
def test_the_checksum_is_that_of_all_bytes_however_they_are_read(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, reads: list[tuple[int, int]]
) -> None:
    """Decoders go back and forth, and stop before the end."""
    path = tmp_path_factory.mktemp("files") / "file"
    path.write_bytes(content)
    with open_regular(path) as opened:
        file = ChecksummedFile(opened)
        for offset, size in reads:
            file.seek(offset)
            assert file.read(size) == (content[offset:] if size < 0 else content[offset : offset + size])
        assert file.checksum() == zlib.crc32(content)


def test_a_file_that_grows_is_read_to_where_it_ended(tmp_path: Path) -> None:
    """Somebody may be writing it, without an end."""
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with open_regular(path) as opened, path.open("ab") as more:
        file = ChecksummedFile(opened)
        more.write(b"defgh")
        more.flush()
        assert file.read() == b"abc"
        assert file.read(10) == b""
        assert file.checksum() == zlib.crc32(b"abc")


def test_the_fingerprint_is_that_of_runs_before(tmp_path: Path, preprocessing: Preprocessing) -> None:
    """Of names, labels and bytes, whether images were read or not: an older run knows its data again."""
    save_folders(tmp_path, IMAGES[:6], LABELS[:6])
    (tmp_path / "ant" / "broken.jpg").write_bytes(png(IMAGES[0])[:60])
    (tmp_path / "ant" / "link.jpg").symlink_to("nowhere")
    source = open_source(tmp_path, CLASSES, preprocessing)
    files = sorted(file for file in tmp_path.rglob("*.*g"))
    listing = [
        (str(file.relative_to(tmp_path)), CLASSES.index(file.parent.name), zlib.crc32(file.read_bytes()))
        if file.exists()
        else (str(file.relative_to(tmp_path)), CLASSES.index(file.parent.name), None)
        for file in files
    ]
    expected = hashlib.sha256(repr(listing).encode()).hexdigest()[:16]
    assert source.fingerprint() == expected
    assert len(list(source.items())) == 8
    assert source.fingerprint() == expected


def test_a_run_opens_each_picture_once(tmp_path: Path) -> None:
    """Cards are slow: the data set would be read three times before the first step."""
    data = save_folders(tmp_path / "data", np.asarray(IMAGES), LABELS)
    HOOKED.append(True)
    try:
        fine_tune("feature-frozen", data, tmp_path / "run", epochs=1)
    finally:
        HOOKED.clear()
    times = {str(file): OPENED.count(str(file)) for file in data.rglob("*.png")}
    assert len(times) == 24
    assert set(times.values()) == {1}
