"""Tensors of a thousand devices, of which neither all fit into memory nor all files may be open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tbft_artifacts.errors import TbftError
from tbft_fleet.merging.tensor_file import TensorFile, span_of

TENSORS = {
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "scalar": np.array(3, np.float32),
    "empty": np.zeros((0, 4), np.float32),
    "count": np.array([7], np.int64),
}


def test_each_tensor_is_what_was_saved(tmp_path: Path) -> None:
    """Of every shape and type that training leaves."""
    save_file(TENSORS, tmp_path / "a.safetensors")
    found = TensorFile(tmp_path / "a.safetensors")
    assert len(found) == len(TENSORS)
    for name, value in TENSORS.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        np.testing.assert_array_equal(found[name], value)
    with pytest.raises(KeyError):
        found["other"]


@pytest.mark.parametrize(("name", "span"), [("matrix", slice(1, 5)), ("scalar", slice(0, 1)), ("empty", slice(0, 0))])
def test_a_span_is_the_same_from_a_file_and_from_memory(tmp_path: Path, name: str, span: slice) -> None:
    """What a merge reads of each device at a time."""
    save_file(TENSORS, tmp_path / "a.safetensors")
    found, own = (span_of(tensors, name, span) for tensors in (TensorFile(tmp_path / "a.safetensors"), TENSORS))
    assert found.tolist() == own.tolist() == TENSORS[name].ravel()[span].tolist()
    assert found.dtype == own.dtype


def test_no_file_stays_open(tmp_path: Path) -> None:
    """A process may have about a thousand: less than a fleet has devices."""
    save_file(TENSORS, tmp_path / "a.safetensors")
    before = len(list(Path("/proc/self/fd").iterdir()))
    found = [TensorFile(tmp_path / "a.safetensors") for _ in range(20)]
    assert sum(float(each["matrix"].sum()) for each in found) == 20 * 15
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\xff" * 64])
def test_what_is_none_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(TbftError, match="is no safetensors file") as error:
        TensorFile(tmp_path / "a.safetensors")
    assert "\n" not in error.value.message


def test_a_type_that_none_trains_is_refused(tmp_path: Path) -> None:
    save_file({"half": np.zeros(2, np.float16)}, tmp_path / "a.safetensors")
    with pytest.raises(TbftError, match="is no safetensors file"):
        TensorFile(tmp_path / "a.safetensors")
