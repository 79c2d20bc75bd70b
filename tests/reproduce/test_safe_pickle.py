"""CIFAR-10 comes as pickles: they are read without running anything that a file asks for."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fake_data_sets import dump
from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.datasets.safe_pickle import read_batch

GOOD = {b"labels": [1, 2], b"data": np.arange(12, dtype=np.uint8).reshape(2, 6), b"batch_label": b"one"}


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL))
def test_every_protocol_gives_the_same(tmp_path: Path, protocol: int) -> None:
    """Python 2 wrote CIFAR-10, but a copy may have been written again."""
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps(GOOD, protocol))
    batch = read_batch(path)
    assert batch["labels"] == [1, 2]
    np.testing.assert_array_equal(batch["data"], GOOD[b"data"])


def test_columns_first(tmp_path: Path) -> None:
    """An array keeps its order when it was written by columns."""
    array = np.asfortranarray(GOOD[b"data"])
    dump(tmp_path / "batch", {b"data": array})
    np.testing.assert_array_equal(read_batch(tmp_path / "batch")["data"], array)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (Calls(os.system, "touch {mark}"), "system"),
        (Calls(eval, "open('{mark}', 'w')"), "eval"),
        (Calls(Path.touch, Path("{mark}")), "getattr"),
        (Calls(np.fromfile, "{mark}"), "numpy"),
    ],
)
def test_a_malicious_file_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Calls, name: str) -> None:
    """The mark that the file's call would leave is not there, and one line says what it asked for."""
    monkeypatch.chdir(tmp_path)
    Path("batch").write_bytes(pickle.dumps({b"data": call}, 2).replace(b"{mark}", b"marked"))
    with pytest.raises(TbftError, match=rf"'batch' asks for '.*{name}.*', which no CIFAR-10 file needs") as caught:
        read_batch(Path("batch"))
    assert "nothing of it was run" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["batch"]


def test_the_attack_is_a_real_one(tmp_path: Path) -> None:
    """Python's own unpickler falls for it, so the test above would notice a missing guard."""
    mark = tmp_path / "marked"
    pickle.Unpickler(io.BytesIO(pickle.dumps(Calls(os.system, f"touch {mark}"), 2))).load()
    assert mark.exists()


def test_an_array_of_objects_is_refused(tmp_path: Path) -> None:
    """Objects in arrays are pickles in pickles; only bytes are numbers of an image."""
    dump(tmp_path / "objects", {b"data": np.array([1, "a"], object)})
    dump(tmp_path / "floats", {b"data": np.zeros(3)})
    for name in ("objects", "floats"):
        with pytest.raises(TbftError, match="is damaged: its numbers are no bytes"):
            read_batch(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds no dictionary"),
        ({b"data": 1.5}, "holds a float"),
        ({b"data": {b"more": 1}}, "holds a dict"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: object, message: str) -> None:
    """What CIFAR-10 never holds is no CIFAR-10."""
    dump(tmp_path / "batch", content)
    with pytest.raises(TbftError, match=message) as caught:
        read_batch(tmp_path / "batch")
    assert "cs.toronto.edu" in caught.value.hint


def test_outside_objects_and_extensions_are_refused(tmp_path: Path) -> None:
    """The other two ways of a pickle to reach out: persistent IDs, and registered extensions."""
    for name, content in {"persistent": b"Pwhat\n.", "extension": b"\x80\x02\x82\x07."}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TbftError):
            read_batch(tmp_path / name)


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=3))
def test_damage_ends_in_one_line(tmp_path_factory: pytest.TempPathFactory, place: int, damage: bytes) -> None:
    """Whatever a bad disk makes of the file: it is read as some dictionary, or refused, never a traceback."""
    content = pickle.dumps(GOOD, 2)
    path = tmp_path_factory.mktemp("damaged") / "batch"
    start = place % len(content)
    path.write_bytes(content[:start] + damage + content[start + len(damage) :])
    with contextlib.suppress(TbftError):
        assert isinstance(read_batch(path), dict)


@pytest.mark.parametrize("numbering", [b"r\xff\xff\xff\x0f", b"p268435455\n"])
def test_a_number_takes_no_memory(tmp_path: Path, numbering: bytes) -> None:
    """Five bytes gave an object a number for which Python's unpickler made room in 4 GB."""
    packed = pickle.dumps(GOOD, 2)
    (tmp_path / "batch").write_bytes(packed[:3] + numbering + packed[3:])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TbftError, match=r"is damaged: .* the number 268435455"):
        read_batch(tmp_path / "batch")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_file_that_is_cut_off_or_missing(tmp_path: Path) -> None:
    """A download that broke off says so."""
    (tmp_path / "batch").write_bytes(pickle.dumps(GOOD, 2)[:40])
    with pytest.raises(TbftError, match="is damaged"):
        read_batch(tmp_path / "batch")
    with pytest.raises(TbftError, match="cannot be read"):
        read_batch(tmp_path / "none")
