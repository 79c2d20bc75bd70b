"""The cache believes only what is known to be written, and a failing disk makes it smaller, never wrong."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.damages import damage, flipped
from support.runs import Recorder
from tbft_runtime.boundary.cache import BoundaryCache, DiskCache, RowKind, in_memory, stored_bytes

KIND = RowKind(images=10, shape=(2, 4), dtype=np.dtype(np.float32))
ROWS = np.random.default_rng(0).normal(size=(10, 2, 4)).astype(np.float32)
KEY = "a" * 64


def on_disk(folder: Path, room: int = 10, key: str = KEY, progress: Recorder | None = None) -> DiskCache:
    stored_bytes(folder, key)
    return DiskCache(KIND, room, folder, key, progress or Recorder())


def fill(cache: BoundaryCache, *numbers: int) -> None:
    cache.write(np.array(numbers), ROWS[list(numbers)])


def found(cache: BoundaryCache) -> list[int]:
    return np.flatnonzero(cache.found).tolist()


def assert_right(cache: BoundaryCache) -> None:
    """Whatever is found is what was written."""
    numbers = np.flatnonzero(cache.found)
    read = cache.read(numbers)
    assert read is not None
    np.testing.assert_array_equal(read, ROWS[numbers])


@pytest.mark.parametrize("place", ["disk", "ram"])
def test_rows_are_kept_as_far_as_there_is_room(place: str, tmp_path: Path) -> None:
    """By number, in any order; the others are just not there."""
    cache = on_disk(tmp_path, room=6) if place == "disk" else in_memory(KIND, 6, Recorder())
    fill(cache, 7, 2, 5)
    fill(cache, 9, 8)
    fill(cache, 0, 6)
    assert found(cache) == [0, 2, 5]
    assert_right(cache)


def test_saved_rows_are_found_again(tmp_path: Path) -> None:
    """Those before `save` only: what came after may not be on the disk."""
    cache = on_disk(tmp_path)
    fill(cache, 1, 4, 9)
    cache.save()
    fill(cache, 2)
    again = on_disk(tmp_path)
    assert found(again) == [1, 4, 9]
    assert_right(again)


def test_a_killed_process_leaves_nothing_to_believe(tmp_path: Path) -> None:
    """Rows without an index are written anew."""
    fill(on_disk(tmp_path), 1, 2, 3)
    assert found(on_disk(tmp_path)) == []


def test_the_rows_are_flushed_before_the_index_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the other order a pulled plug would leave rows that are believed but not written."""
    real, calls = os.fsync, []

    def fsync(file: int) -> None:
        name = Path(f"/proc/self/fd/{file}").resolve().name
        calls.append((name, list(tmp_path.glob("*.json"))))
        real(file)

    cache = on_disk(tmp_path)
    fill(cache, 1)
    monkeypatch.setattr(os, "fsync", fsync)
    cache.save()
    assert calls[0][0].endswith(".rows")
    assert calls[0][1] == []
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_another_key_finds_nothing(tmp_path: Path) -> None:
    """And what was made of other things no longer takes space."""
    cache = on_disk(tmp_path)
    fill(cache, 1, 2)
    cache.save()
    (tmp_path / "train.pixels").touch()
    other = on_disk(tmp_path, key="b" * 64)
    assert found(other) == []
    assert [path.name for path in tmp_path.iterdir() if "a" * 32 in path.name] == []
    assert (tmp_path / "train.pixels").exists()


def test_a_key_that_only_begins_alike_finds_nothing(tmp_path: Path) -> None:
    """File names hold a part of the key; the index holds all of it."""
    cache = on_disk(tmp_path)
    fill(cache, 1)
    cache.save()
    assert found(on_disk(tmp_path, key="a" * 32 + "b" * 32)) == []


@pytest.mark.parametrize("damage", ["index", "shorter rows", "no rows", "other fields"])
def test_what_does_not_fit_is_thrown_away(damage: str, tmp_path: Path) -> None:
    """Silently: it is computed again. An index that was not believed once is gone, and cannot be believed later."""
    cache = on_disk(tmp_path)
    fill(cache, 1, 8)
    cache.save()
    (index,), (rows,) = tmp_path.glob("*.json"), tmp_path.glob("*.rows")
    match damage:
        case "index":
            index.write_text("{")
        case "shorter rows":
            os.truncate(rows, 9 * KIND.bytes - 1)
        case "no rows":
            rows.unlink()
        case _:
            index.write_bytes(index.read_bytes().replace(b"found", b"lost"))
    recorder = Recorder()
    again = on_disk(tmp_path, progress=recorder)
    assert found(again) == []
    fill(again, 9)
    assert found(on_disk(tmp_path)) == []
    assert recorder.notes == []


@given(bit=st.integers(0, 8 * 10 * KIND.bytes - 1))
@settings(deadline=None)
def test_a_row_that_rotted_is_not_found(tmp_path_factory: pytest.TempPathFactory, bit: int) -> None:
    """It is told once, computed again, and the next process finds it whole; the others stay."""
    folder = tmp_path_factory.mktemp("rot")
    cache = on_disk(folder)
    fill(cache, *range(10))
    cache.save()
    (rows,) = folder.glob("*.rows")
    damage(rows, lambda content: flipped(content, bit))
    recorder = Recorder()
    again = on_disk(folder, progress=recorder)
    damaged = bit // (8 * KIND.bytes)
    assert again.read(np.array([(damaged + 1) % 10])) is not None
    assert again.read(np.arange(10)) is None
    assert found(again) == [number for number in range(10) if number != damaged]
    assert_right(again)
    (note,) = recorder.notes
    assert str(rows) in note
    fill(again, damaged)
    again.save()
    third = on_disk(folder, progress=recorder)
    assert found(third) == list(range(10))
    assert_right(third)
    assert len(recorder.notes) == 1


@given(bit=st.integers(0, 10**6))
@settings(deadline=None)
def test_an_index_that_rotted_brings_no_wrong_row(tmp_path_factory: pytest.TempPathFactory, bit: int) -> None:
    """A row that it makes up, or whose checksum it has wrong, is none."""
    folder = tmp_path_factory.mktemp("rot")
    cache = on_disk(folder)
    fill(cache, 1, 2, 8, 9)
    cache.save()
    (index,) = folder.glob("*.json")
    damage(index, lambda content: flipped(content, bit))
    again = on_disk(folder)
    for number in found(again):
        read = again.read(np.array([number]))
        assert read is None or read[0].tobytes() == ROWS[number].tobytes()
        assert (read is None) == (number not in found(again))
    assert set(found(again)) <= {1, 2, 8, 9}


def test_an_index_of_other_images_is_thrown_away(tmp_path: Path) -> None:
    """A key never comes with another number of images; if it did, nothing would be guessed."""
    cache = on_disk(tmp_path)
    fill(cache, 1)
    cache.save()
    kind = RowKind(20, KIND.shape, KIND.dtype)
    assert not DiskCache(kind, 20, tmp_path, KEY, Recorder()).found.any()


def fail(number: int) -> Any:
    def call(*_: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_stops_the_cache_only(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One note; what was kept stays, and nothing more is tried."""
    recorder = Recorder()
    cache = on_disk(tmp_path, progress=recorder)
    fill(cache, 0, 1)
    monkeypatch.setattr(os, "pwritev", fail(number))
    fill(cache, 2)
    fill(cache, 3)
    assert found(cache) == [0, 1]
    assert_right(cache)
    (note,) = recorder.notes
    assert "at 2 of 10 (" in note
    assert os.strerror(number) in note


def test_rows_that_could_not_be_flushed_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may have dropped them; those that an earlier index names are there."""
    recorder = Recorder()
    cache = on_disk(tmp_path, progress=recorder)
    fill(cache, 0, 1)
    cache.save()
    fill(cache, 2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail(errno.EIO))
        cache.save()
    assert found(cache) == [0, 1]
    assert len(recorder.notes) == 1
    assert found(on_disk(tmp_path)) == [0, 1]


def test_an_index_that_cannot_be_written_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process goes on with its rows, the next one computes them."""
    cache = on_disk(tmp_path)
    fill(cache, 0, 1)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fail(errno.ENOSPC))
        cache.save()
    assert found(cache) == [0, 1]
    assert_right(cache)
    assert found(on_disk(tmp_path)) == []


def test_a_disk_that_cannot_be_read_has_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is computed then, which is slower and right."""
    recorder = Recorder()
    cache = on_disk(tmp_path, progress=recorder)
    fill(cache, 0, 1)
    monkeypatch.setattr(os, "preadv", fail(errno.EIO))
    assert cache.read(np.array([0])) is None
    assert found(cache) == []
    fill(cache, 2)
    assert found(cache) == []
    assert len(recorder.notes) == 1


def test_it_gives_way_to_what_matters_more(tmp_path: Path) -> None:
    """Its space is free at once, and neither this process nor the next believes a row."""
    recorder = Recorder()
    cache = on_disk(tmp_path, progress=recorder)
    fill(cache, *range(10))
    cache.save()
    assert cache.give_way()
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]
    fill(cache, 1)
    assert found(cache) == []
    assert found(on_disk(tmp_path)) == []
    assert not cache.give_way()
    assert len(recorder.notes) == 1
    assert not in_memory(KIND, 10, Recorder()).give_way()
