"""Rows in a file or in memory come back as they were written, and reading them takes no memory that stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tbft_runtime.data.rows import FileRows, MemoryRows, Rows

SHAPE = (2, 3)
COUNT = 12
PLACES: dict[str, Callable[[Path, np.dtype], Rows]] = {
    "file": lambda folder, dtype: FileRows(folder / "rows", SHAPE, dtype, writable=True),
    "memory": lambda _, dtype: MemoryRows(COUNT, SHAPE, dtype),
}
ROW = np.arange(6, dtype=np.float32).reshape(1, *SHAPE)


@pytest.mark.parametrize("place", PLACES)
@given(
    writes=st.lists(st.lists(st.integers(0, COUNT - 1), max_size=5, unique=True), max_size=6),
    reads=st.lists(st.integers(0, COUNT - 1), max_size=20),
    dtype=st.sampled_from([np.uint8, np.float16, np.float32]),
)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_written_last_is_read(
    place: str, tmp_path: Path, writes: list[list[int]], reads: list[int], dtype: type
) -> None:
    """In any order, again and again, rows beside each other or not; numbers may repeat when reading."""
    rows = PLACES[place](tmp_path, np.dtype(dtype))
    expected = np.zeros((COUNT, *SHAPE), dtype)
    everything = np.arange(COUNT)
    rows.write(everything, expected)
    for number, numbers in enumerate(writes, start=1):
        values = (np.arange(len(numbers) * 6).reshape(-1, *SHAPE) + number).astype(dtype)
        expected[numbers] = values
        rows.write(np.array(numbers, np.int64), values)
    np.testing.assert_array_equal(rows.read(np.array(reads, np.int64)), expected[reads])
    np.testing.assert_array_equal(rows.read(everything), expected)


def test_what_is_read_belongs_to_the_reader(tmp_path: Path) -> None:
    """Changing it changes no row."""
    for place in PLACES.values():
        rows = place(tmp_path, np.dtype(np.float32))
        rows.write(np.array([0]), ROW)
        rows.read(np.array([0]))[:] = 7
        np.testing.assert_array_equal(rows.read(np.array([0])), ROW)


def test_the_system_may_transfer_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal can cut a read or a write short: the rest follows."""
    rows = FileRows(tmp_path / "rows", SHAPE, np.dtype(np.float32), writable=True)
    for name in ("preadv", "pwritev"):
        real = getattr(os, name)

        def five(file: int, buffers: list[memoryview], offset: int, real: Callable[..., int] = real) -> int:
            return real(file, [buffers[0][:5]], offset)

        monkeypatch.setattr(os, name, five)
    rows.write(np.array([1]), ROW)
    np.testing.assert_array_equal(rows.read(np.array([1])), ROW)


def test_a_file_that_ends_early_is_an_error(tmp_path: Path) -> None:
    """No bytes are made up."""
    rows = FileRows(tmp_path / "rows", SHAPE, np.dtype(np.float32), writable=True)
    rows.write(np.array([0, 1]), np.concatenate([ROW, ROW]))
    os.truncate(rows.path, 2 * rows.row_bytes - 1)
    np.testing.assert_array_equal(rows.read(np.array([0])), ROW)
    with pytest.raises(OSError, match="ends before row 1"):
        rows.read(np.array([1]))


def test_the_file_is_closed_with_its_rows(tmp_path: Path) -> None:
    """A process that opens many runs does not run out of files."""
    before = set(Path("/proc/self/fd").iterdir())
    rows = FileRows(tmp_path / "rows", SHAPE, np.dtype(np.float32), writable=True)
    assert set(Path("/proc/self/fd").iterdir()) > before
    del rows
    assert set(Path("/proc/self/fd").iterdir()) <= before


# Reads a file of rows, each once, and prints by how many bytes the process's peak grew.
READ_ALL = """
import resource, sys
from pathlib import Path
import numpy as np
from tbft_runtime.data.rows import FileRows
rows = FileRows(Path(sys.argv[1]), (1 << 16,), np.dtype(np.uint8))
order = np.random.default_rng(0).permutation(int(sys.argv[2])).reshape(-1, 32)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
rows.read(order[0])
before = peak()
total = sum(int(rows.read(numbers)[:, 0].sum()) for numbers in order)
print(peak() - before)
"""


def test_reading_everything_takes_no_memory_that_stays(tmp_path: Path) -> None:
    """128 MiB of rows, in batches of 2 MiB: the peak of the process grows by far less than what it read."""
    count = 2048
    with (tmp_path / "rows").open("wb") as file:
        file.truncate(count << 16)
    command = [sys.executable, "-c", READ_ALL, str(tmp_path / "rows"), str(count)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(ended.stdout) < (count << 16) / 8
