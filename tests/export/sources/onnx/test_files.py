"""What is no model, a part of one, or lies elsewhere is refused in one line that says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from support.onnx_files import BODY, small
from support.refusals import refusal
from tbft_export import ExportOptions
from tbft_export.sources.onnx import parse
from tbft_export.sources.onnx.parse import parse_file


def beside(folder: Path, location: str = "m.onnx.data") -> Path:
    """A model whose weights lie in another file."""
    path = small(folder / "one.onnx")
    model = onnx.load(path)
    path.unlink()
    path = folder / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    if location != "m.onnx.data":
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            next(entry for entry in tensor.external_data if entry.key == "location").value = location
        onnx.save(model, path)
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-20])
    return path


def of(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def without_data(folder: Path) -> Path:
    path = beside(folder)
    (folder / "m.onnx.data").unlink()
    return path


def with_data_cut(folder: Path) -> Path:
    path = beside(folder)
    cut(folder / "m.onnx.data")
    return path


def empty_graph(folder: Path) -> Path:
    graph = onnx.helper.make_graph([], "g", [], [])
    onnx.save(onnx.helper.make_model(graph), folder / "m.onnx")
    return folder / "m.onnx"


def not_sorted(folder: Path) -> Path:
    path = small(folder / "m.onnx")
    model = onnx.load(path)
    model.graph.node.reverse()
    onnx.save(model, path)
    return path


def a_folder(folder: Path) -> Path:
    (folder / "m.onnx").mkdir()
    return folder / "m.onnx"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "m.onnx", "does not exist"),
        (a_folder, "is a folder"),
        (lambda folder: of(folder / "m.onnx", b""), "is empty"),
        (lambda folder: of(folder / "m.onnx", b"hello, world\n" * 9), "it is text"),
        (lambda folder: of(folder / "m.onnx", b"version https://git-lfs.github.com/spec/v1\n"), "pointer of Git LFS"),
        (lambda folder: of(folder / "m.onnx", b"PK\x03\x04" + b"\x00" * 40), "a zip, as torch.save"),
        (lambda folder: of(folder / "m.onnx", bytes(range(200))), "damaged or cut off"),
        (lambda folder: cut(small(folder / "m.onnx")), "damaged or cut off"),
        (empty_graph, "one without layers"),
        (not_sorted, "is no valid ONNX model: Nodes in a graph must be topologically sorted"),
        (without_data, "in 'm.onnx.data', which does not lie beside it"),
        (with_data_cut, "'m.onnx.data', which holds weights of"),
        (lambda folder: beside(folder, "../m.onnx.data"), "outside of its own folder: '../m.onnx.data'"),
        (lambda folder: beside(folder, "/etc/passwd"), "outside of its own folder: '/etc/passwd'"),
    ],
)
def test_what_is_no_model(tmp_path: Path, make: Callable[[Path], Path], said: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = make(inner)
    error = refusal(ExportOptions(str(path), "output"), inner)
    assert said in error.message
    assert str(path) in error.message or "m.onnx.data" in error.message


def test_weights_behind_a_link_out_of_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = beside(inner)
    Path(inner / "m.onnx.data").rename(tmp_path / "elsewhere")
    (inner / "m.onnx.data").symlink_to(tmp_path / "elsewhere")
    assert "outside of its own folder" in refusal(ExportOptions(str(path), "output"), inner).message


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    tensors = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in parse_file(beside(tmp_path)).graph.initializer
    }
    assert {name: value.shape for name, value in tensors.items()} == {
        "w": (5, 3, 3, 3),
        "b": (5,),
        "fw": (4, 5),
        "fb": (4,),
    }


@pytest.mark.parametrize("make", [lambda folder: small(folder / "m.onnx"), beside])
def test_what_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Path]) -> None:
    """Two GiB are what protocol buffers hold; the bound is taken down to that of a small file."""
    path = make(tmp_path)
    monkeypatch.setattr(parse, "LARGEST", 700)
    assert "more than 2 GiB" in refusal(ExportOptions(str(path), "output"), tmp_path).message


def test_an_error_is_all_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of shapes that do not fit a library logs a traceback, too."""
    body = BODY.replace("f = Flatten (p)", "h = Flatten (p) f = Add (h, numbers)")
    path = small(tmp_path / "m.onnx", body=body, numbers=np.ones((1, 7), np.float32))
    refusal(ExportOptions(str(path), "output"), tmp_path)
    assert not caplog.records
