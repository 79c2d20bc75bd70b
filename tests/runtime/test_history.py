"""The epochs of a run as a file that only grows: what a state does not know of is cut, what rotted is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.damages import flipped
from support.made_up_reports import made_up_epoch
from tbft_runtime.run.history import Epochs, Mark


def epochs(*numbers: int) -> Epochs:
    return Epochs([made_up_epoch(number, number / 3) for number in numbers])


def numbers_of(found: Epochs) -> list[int]:
    return [epoch.number for epoch in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A history of five epochs."""
    epochs(1, 2, 3, 4, 5).write(tmp_path / "history.jsonl")
    return tmp_path / "history.jsonl"


def opened(path: Path, count: int) -> Epochs:
    """As a state finds it that knows of so many epochs."""
    first = epochs(*range(1, count + 1))
    first.write(path.with_name("other"))
    return Epochs((), path, first.mark)


def test_epochs_are_a_sequence_wherever_they_lie(path: Path) -> None:
    """Three of them in the file, two of them not yet."""
    found = Epochs([made_up_epoch(4, 4.0), made_up_epoch(5, 5.0)], path, opened(path, 3).mark)
    assert numbers_of(found) == [1, 2, 3, 4, 5]
    assert len(found) == 5
    assert [found[index].number for index in (0, 2, 3, -1, -5)] == [1, 3, 4, 5, 1]
    assert [epoch.number for epoch in found[1:4]] == [2, 3, 4]
    assert found[1].seconds == 2 / 3
    with pytest.raises(IndexError):
        found[5]
    assert numbers_of(Epochs()) == []


def test_only_settled_epochs_are_written(tmp_path: Path) -> None:
    """Of the others more may become known."""
    found = epochs(1, 2, 3)
    found.settle(before=3)
    found.write(tmp_path / "history.jsonl")
    assert (found.mark.epochs, [epoch.number for epoch in found.recent]) == (2, [3])
    found.replace(made_up_epoch(3, 7.0))
    found.settle()
    found.write(tmp_path / "history.jsonl")
    assert [epoch.seconds for epoch in found] == [1 / 3, 2 / 3, 7.0]


@pytest.mark.parametrize("tail", [b"", b"0123", b"\0" * 4096, b"00000000 {}\n"], ids=["none", "torn", "zeros", "wrong"])
def test_what_came_after_the_state_is_cut(path: Path, tail: bytes) -> None:
    """A process was killed between its history and its state, or in the middle of a line."""
    path.write_bytes(path.read_bytes() + tail)
    found = opened(path, 3)
    assert found.mend(3) == 0
    assert numbers_of(found) == [1, 2, 3]
    found.append(made_up_epoch(4, 9.0))
    found.write(path)
    again = Epochs((), path, found.mark)
    assert [epoch.seconds for epoch in again] == [1 / 3, 2 / 3, 1.0, 9.0]
    assert path.stat().st_size == found.mark.size


@given(bit=st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_one_flipped_bit_costs_a_line_or_two(tmp_path_factory: pytest.TempPathFactory, bit: int) -> None:
    """Two where it was the end of a line; the others are as they were, and in order."""
    path = tmp_path_factory.mktemp("bit") / "history.jsonl"
    whole = epochs(1, 2, 3, 4, 5)
    whole.write(path)
    path.write_bytes(flipped(path.read_bytes(), bit))
    found = Epochs((), path, whole.mark)
    lost = found.mend(5)
    assert 1 <= lost <= 2
    assert len(found) == len(list(found)) == 5 - lost
    assert all(epoch == made_up_epoch(epoch.number, epoch.number / 3) for epoch in found)
    assert found.mend(5) == 0


def test_lines_of_later_epochs_are_none_of_an_earlier_state(path: Path) -> None:
    """A state that was taken back knows of three epochs; where the first line rotted, the fourth is not one of them."""
    found = opened(path, 3)
    path.write_bytes(flipped(path.read_bytes(), 100))
    assert found.mend(3) == 1
    assert numbers_of(found) == [2, 3]


def test_a_terabyte_of_nothing_is_not_read(path: Path) -> None:
    """It is no line, wherever it begins, and has to fit into no memory."""
    found = opened(path, 3)
    with path.open("r+b") as file:
        file.truncate(100)
        file.truncate(10**12)
    assert found.mend(3) == 3
    assert numbers_of(found) == []
    assert path.stat().st_size == 0


def test_a_file_that_is_gone_is_an_empty_one(path: Path) -> None:
    """Every epoch in it is lost, and said to be."""
    found = opened(path, 5)
    path.unlink()
    assert found.mend(5) == 5
    assert numbers_of(found) == []
    assert found.mark == Mark()


@given(bits=st.lists(st.integers(0, 10**6), min_size=1, max_size=3), known=st.integers(0, 4), recent=st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_no_epoch_is_there_twice(
    tmp_path_factory: pytest.TempPathFactory, bits: list[int], known: int, recent: int
) -> None:
    """A state that was taken back holds epochs itself which are in the damaged file by now."""
    path = tmp_path_factory.mktemp("twice") / "history.jsonl"
    epochs(1, 2, 3, 4, 5).write(path)
    mark = opened(path, known).mark
    content = path.read_bytes()
    for bit in bits:
        content = flipped(content, bit)
    path.write_bytes(content)
    own = [made_up_epoch(number, 9.0) for number in range(known + 1, known + 1 + recent)]
    found = Epochs(own, path, mark)
    found.mend(known + recent)
    numbers = numbers_of(found)
    assert numbers == sorted(set(numbers))
    assert [epoch for epoch in found if epoch.number > known] == own
    assert len(found) == len(numbers)
