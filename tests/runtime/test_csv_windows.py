"""Tables become windows row by row: what is cut, what they are called, and every odd table in one line."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import InputShape
from tbft_artifacts.preprocessing import CutWindows, Standardize
from tbft_runtime.data import csv_table, csv_windows
from tbft_runtime.data.items import Item
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.signals import items_to_answer
from tbft_runtime.data.sources import open_source
from tbft_runtime.data.store import open_store

CLASSES = ("up", "down")


def cutting(length: int, stride: int, rate: float | None = None) -> Preprocessing:
    step = CutWindows(columns=("a", "b"), stride=stride, time="t", label="what")
    if rate is not None:
        step = CutWindows(columns=("a", "b"), stride=stride, time="t", label="what", rate=rate)
    return Preprocessing((step, Standardize((0.0,) * 2, (1.0,) * 2)), InputShape(2, 1, length))


def table(path: Path, labels: list[str], **rows: str) -> Path:
    """Rows (row, 0.1 · row, -row, label); `rows` named "_n" are written as they are instead of row n."""
    lines = [rows.get(f"_{row}", f"{row / 10:.1f},{-row},{label},{row}") for row, label in enumerate(labels)]
    path.write_text("\n".join(["t,b,what,a", *lines]) + "\n")
    return path


def items_of(path: Path, length: int = 3, stride: int = 2, classes: tuple[str, ...] | None = CLASSES) -> list[Item]:
    return list(open_source(path, classes, cutting(length, stride)).items())


def test_windows_follow_each_other_by_the_stride(tmp_path: Path) -> None:
    """Columns in the order of the channels, whatever theirs is; rows at the end that make no whole window are left."""
    items = items_of(table(tmp_path / "x.csv", ["up"] * 8))
    assert [item.name for item in items] == ["x.csv[0]", "x.csv[1]", "x.csv[2]"]
    for begin, item in zip((0, 2, 4), items, strict=True):
        assert item.pixels is not None
        rows = np.arange(begin, begin + 3, dtype=np.float32)
        np.testing.assert_array_equal(item.pixels, np.stack([rows, -rows])[:, np.newaxis])


@given(st.lists(st.sampled_from(["up", "down", ""]), min_size=1, max_size=14), st.integers(1, 5), st.integers(1, 4))
def test_a_window_is_called_as_most_of_its_rows(labels: list[str], length: int, stride: int) -> None:
    """Of equally many, as the one that comes last; rows without a label count, too."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = table(Path(folder) / "x.csv", labels)
        found = open_source(path, CLASSES, cutting(length, stride)).labels.tolist()
    expected = []
    for begin in range(0, len(labels) - length + 1, stride):
        inside = labels[begin : begin + length]
        most = max(Counter(inside).values())
        last = next(label for label in reversed(inside) if inside.count(label) == most)
        expected.append({"up": 0, "down": 1, "": -1}[last])
    assert found == expected


def test_classes_are_those_of_the_table_where_nobody_says_them(tmp_path: Path) -> None:
    source = open_source(table(tmp_path / "x.csv", ["up", "down", "unlabelled"] * 2), None, cutting(1, 1))
    assert source.classes == ["down", "up"]
    assert source.labels.tolist() == [1, 0, -1] * 2


def test_a_folder_of_tables_is_read_by_name(tmp_path: Path) -> None:
    """No window lies in two tables."""
    table(tmp_path / "b.csv", ["down"] * 4)
    table(tmp_path / "a.CSV", ["up"] * 4)
    (tmp_path / ".hidden.csv").write_text("nothing")
    (tmp_path / "notes.txt").write_text("nothing")
    assert [(item.name, item.label) for item in items_of(tmp_path)] == [("a.CSV[0]", 0), ("b.csv[0]", 1)]


def test_a_table_without_labels_can_be_answered(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a;b;t\n" + "".join(f"1;2;{row}\n" for row in range(4)))
    assert [item.label for item in items_of(tmp_path / "x.csv")] == [-1]


def test_signs_of_other_programs_are_read(tmp_path: Path) -> None:
    """A byte-order mark, Windows' ends of lines, tabs, quotes, spaces, empty lines, columns that nobody needs."""
    rows = "".join(f'{row / 10}\t"{row}"\t {-row} \tup\tx\r\n\r\n' for row in range(3))
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbf" + f"t\ta\tb \twhat\tmore\r\n{rows}".encode())
    (item,) = items_of(tmp_path / "x.csv")
    assert item.pixels is not None
    np.testing.assert_array_equal(item.pixels[:, 0], [[0, 1, 2], [0, -1, -2]])
    assert item.label == 0


BROKEN = {
    "no number": ("0.4,x,up,4", "'b' is 'x' in line 6, no number"),
    "not a number": ("0.4,nan,up,4", "'b' is 'nan' in line 6, no number"),
    "too large": ("0.4,1e39,up,4", "'b' is '1e39' in line 6, no number"),
    "missing": ("0.4,1,up", "line 6 has 3 fields, and the first line 4"),
    "missing ahead of the label": ("0.4,1,4", "line 6 has 3 fields, and the first line 4"),
    "too many": ("0.4,1,up,4,5", "line 6 has 5 fields, and the first line 4"),
    "no time": (",1,up,4", "'t' is '' in line 6, no number"),
    "a gap": ("0.9,1,up,4", "0.6 instead of 0.1 pass before line 6"),
    "time goes back": ("0.1,1,up,4", "time stands still or goes back before line 6"),
    "time stands still": ("0.3,1,up,4", "time stands still or goes back before line 6"),
}


@pytest.mark.parametrize(("row", "problem"), BROKEN.values(), ids=BROKEN.keys())
def test_windows_around_a_broken_row_are_named(row: str, problem: str, tmp_path: Path) -> None:
    """Only windows that hold it, or in which a step to it or from it lies, are left out."""
    path = table(tmp_path / "x.csv", ["up"] * 10, _4=row)
    assert [item.pixels is not None for item in items_of(path, length=2)] == [True, True, False, True, True]
    before, across, *_ = items_of(path, length=3)
    assert before.pixels is not None
    assert (across.pixels, across.problem) == (None, problem)


def test_decimal_commas_between_commas_are_no_numbers(tmp_path: Path) -> None:
    """Read as two numbers each they would shift all columns behind; an empty value at the end shifts nothing."""
    (tmp_path / "x.csv").write_text("t,a,b,what\n" + "".join(f"{row},1,5,2,5,up\n" for row in range(4)))
    items = items_of(tmp_path / "x.csv", length=1, stride=1)
    assert [item.pixels for item in items] == [None] * 4
    assert items[0].problem == "line 2 has 6 fields, and the first line 4"
    (tmp_path / "x.csv").write_text("t,a,b\n" + "".join(f"{row},1,2, ,\n" for row in range(4)))
    assert all(item.pixels is not None for item in items_of(tmp_path / "x.csv", length=1, stride=1))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no windows in the data"),
        ([f"{row},-0,up,x" for row in range(3)], "no windows in the data, 3 could not be read: 'a' is 'x'"),
    ],
)
def test_a_table_without_a_whole_window_is_refused_as_one(rows: list[str], said: str, tmp_path: Path) -> None:
    """Nobody who gave a table is told to give pictures."""
    path = table(tmp_path / "x.csv", ["up"] * len(rows), **{f"_{row}": text for row, text in enumerate(rows)})
    with pytest.raises(TbftError, match=said) as caught:
        open_store(open_source(path, CLASSES, cutting(1, 1)), (2, 1, 1), tmp_path / "cache", "train")
    assert "tables" in caught.value.hint
    assert "JPEG" not in caught.value.hint


ODD = {
    "no column": ("t,a,what\n0,1,up\n", "no column 'b'"),
    "no time": ("a,b,what\n1,1,up\n", "no column 't'"),
    "a column twice": ("t,a,b,a\n0,1,1,1\n", "several columns 'a'"),
    "nothing": ("", "'.*x.csv' is empty"),
    "no table": ("\x89" + "x" * 5000, "no column 't'"),
    "another class": ("t,a,b,what\n0,1,1,sideways\n", "'sideways' in column 'what' of .* is no class of the bundle"),
    "an endless line": ("t,a,b,what\n" + "1" * (1 << 17), "a line of more than 65,536 letters"),
    "a picture": ("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no column 't'"),
}


@pytest.mark.parametrize(("content", "said"), ODD.values(), ids=ODD.keys())
def test_odd_tables_are_refused_in_one_line(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(TbftError, match=said) as caught:
        open_source(tmp_path / "x.csv", CLASSES, cutting(1, 1))
    assert "\n" not in caught.value.message
    assert 0 < len(caught.value.hint) < 200


def test_a_table_of_another_rate_is_refused(tmp_path: Path) -> None:
    """A network of 10 rows a second would take 20 for a movement that is twice as slow."""
    path = table(tmp_path / "x.csv", ["up"] * 6)
    assert len(open_source(path, CLASSES, cutting(3, 3, rate=10.0))) == 2
    with pytest.raises(TbftError, match="has 10 rows a second, and the network was trained for 20") as caught:
        open_source(path, CLASSES, cutting(3, 3, rate=20.0))
    assert "in seconds" in caught.value.hint


@pytest.mark.parametrize("times", [[3, 3, 3, 3, 4], [5, 4, 3, 2, 1]])
@pytest.mark.parametrize("rate", [None, 10.0])
def test_a_table_whose_time_does_not_go_on_is_refused(times: list[int], rate: float | None, tmp_path: Path) -> None:
    """Rows backwards, or with whole seconds: neither gaps nor another rate could be told."""
    (tmp_path / "x.csv").write_text("t,a,b\n" + "".join(f"{time},1,1\n" for time in times))
    with pytest.raises(TbftError, match=r"time in column 't' of .* stands still or goes back"):
        open_source(tmp_path / "x.csv", CLASSES, cutting(2, 1, rate))


def test_a_table_needs_a_network_that_says_how(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", ["up"] * 6)
    plain = Preprocessing((Standardize((0.0,) * 2, (1.0,) * 2),), InputShape(2, 1, 3))
    with pytest.raises(TbftError, match=r"does not say how .* becomes windows") as caught:
        open_source(path, CLASSES, plain)
    assert "`columns`" in caught.value.hint


def test_a_table_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_table, "MOST_FILE_BYTES", 10)
    with pytest.raises(TbftError, match="has more than"):
        open_source(table(tmp_path / "x.csv", ["up"] * 6), CLASSES, cutting(3, 3))


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path)])
def test_a_file_that_cannot_be_read_is_told_in_one_line(make: Callable[[Path], None], tmp_path: Path) -> None:
    """Whether its windows are trained on or answered: a folder, a pipe or a link in a circle of that name."""
    make(tmp_path / "x.csv")
    with pytest.raises(TbftError, match=r"x\.csv' cannot be read"):
        open_source(tmp_path, CLASSES, cutting(3, 3))
    with pytest.raises(TbftError, match=r"x\.csv' cannot be read"):
        list(items_to_answer(tmp_path, CLASSES, cutting(3, 3)))


def test_the_first_line_of_what_is_no_table_is_not_told_whole(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(",".join(["x" * 1000] * 30))
    with pytest.raises(TbftError) as caught:
        open_source(tmp_path / "x.csv", CLASSES, cutting(3, 3))
    assert len(caught.value.hint) < 1000


def test_more_windows_than_there_may_be_are_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before the rest is read: a folder may hold any number of tables."""
    monkeypatch.setattr(csv_windows, "MOST_IMAGES", 2)
    table(tmp_path / "a.csv", ["up"] * 6)
    (tmp_path / "b.csv").write_text("nobody reads it")
    with pytest.raises(TbftError, match="there are more than 2 windows"):
        open_source(tmp_path, CLASSES, cutting(3, 1))
    assert len(open_source(tmp_path / "a.csv", CLASSES, cutting(3, 3))) == 2


def test_a_changed_table_is_prepared_anew(tmp_path: Path) -> None:
    """The store knows tables by their content, and by how they are cut."""
    for labels, stride, count in ((["up"] * 6, 3, 2), (["up"] * 9, 3, 3), (["up"] * 9, 1, 7)):
        path, preprocessing = table(tmp_path / "x.csv", labels), cutting(3, stride)
        store = open_store(open_source(path, CLASSES, preprocessing), preprocessing.row_shape, tmp_path / "c", "train")
        assert len(store.labels) == count
