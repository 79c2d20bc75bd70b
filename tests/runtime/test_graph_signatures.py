"""A graph takes and gives what its role needs, or is refused in one line: when it is loaded, or when it has run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.bundles import compiled_copy, read_manifest, write_manifest
from support.commands import ERROR
from support.in_process import run_in_process
from support.onnx_bytes import INT64, STRING
from support.onnx_writer import IMAGES, LOGITS, graph, model, node, tensor, value
from support.toys import coloured_squares, save_folders, save_squares
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import PREDICT
from tbft_runtime.graphs.sessions import load_graph

MEAN = node("ReduceMean", "images", "means", axes=[2, 3], keepdims=0)
WEIGHT = tensor("weight", np.ones((3, 4), np.float32))
LINEAR = node("MatMul", "means weight", "logits")


def gives(*nodes: bytes, said: bytes = LOGITS, tensors: tuple[bytes, ...] = (WEIGHT,)) -> bytes:
    """A model whose nodes make `logits`."""
    return model(graph([MEAN, *nodes], tensors, [IMAGES], [said]))


def constant(name: str, *numbers: int) -> bytes:
    return tensor(name, np.array(numbers))


OPEN = value("logits", None)
ODD = {
    "scalar": gives(node("ReduceMean", "means", "logits", keepdims=0), said=OPEN, tensors=()),
    "vector": gives(node("ReduceMean", "means", "logits", axes=[1], keepdims=0), said=OPEN, tensors=()),
    "rank 3": gives(
        node("MatMul", "means weight", "flat"),
        node("Unsqueeze", "flat one", "logits"),
        said=OPEN,
        tensors=(WEIGHT, constant("one", 1)),
    ),
    "other classes": gives(LINEAR, said=OPEN, tensors=(tensor("weight", np.ones((3, 5), np.float32)),)),
    "one class": gives(LINEAR, said=OPEN, tensors=(tensor("weight", np.ones((3, 1), np.float32)),)),
    "one row": gives(node("MatMul", "means weight", "all"), node("ReduceMean", "all", "logits", axes=[0]), said=OPEN),
    "no row": gives(
        node("MatMul", "means weight", "all"),
        node("Slice", "all zero zero", "logits"),
        said=OPEN,
        tensors=(WEIGHT, constant("zero", 0)),
    ),
    "twice the rows": gives(
        node("MatMul", "means weight", "all"), node("Concat", "all all", "logits", axis=0), said=OPEN
    ),
    "integers": gives(
        node("MatMul", "means weight", "all"),
        node("Cast", "all", "logits", to=INT64),
        said=value("logits", ("n", 4), INT64),
    ),
    "strings": gives(
        node("MatMul", "means weight", "all"),
        node("Cast", "all", "logits", to=STRING),
        said=value("logits", ("n", 4), STRING),
    ),
    "a lie about the type": gives(
        node("MatMul", "means weight", "all"), node("Cast", "all", "logits", to=INT64), said=LOGITS
    ),
    "a lie about the shape": gives(
        LINEAR, said=value("logits", (7, 9)), tensors=(tensor("weight", np.ones((3, 5), np.float32)),)
    ),
    "no output": model(graph([MEAN], [], [IMAGES], [])),
    "two outputs": model(graph([MEAN, LINEAR], [WEIGHT], [IMAGES], [LOGITS, value("means", ("n", 3))])),
    "an output that nobody makes": model(graph([MEAN], [], [IMAGES], [LOGITS])),
    "two inputs": model(
        graph([MEAN, node("MatMul", "means more", "logits")], [], [IMAGES, value("more", (3, 4))], [LOGITS])
    ),
    "no input": model(graph([], [tensor("logits", np.ones((1, 4), np.float32))], [], [LOGITS])),
    "larger images": model(graph([MEAN, LINEAR], [WEIGHT], [value("images", ("n", 3, 9, 9))], [LOGITS])),
    "grey images": model(graph([MEAN, LINEAR], [WEIGHT], [value("images", ("n", 1, 8, 8))], [LOGITS])),
    "one image": model(graph([MEAN, LINEAR], [WEIGHT], [value("images", (1, 3, 8, 8))], [value("logits", (1, 4))])),
    "flat images": model(
        graph([node("MatMul", "images weight", "logits")], [WEIGHT], [value("images", ("n", 3))], [LOGITS])
    ),
    "integer images": model(
        graph(
            [
                node("Cast", "images", "pixels", to=1),
                node("ReduceMean", "pixels", "means", axes=[2, 3], keepdims=0),
                LINEAR,
            ],
            [WEIGHT],
            [value("images", ("n", 3, 8, 8), INT64)],
            [LOGITS],
        )
    ),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    save_folders(folder, *coloured_squares(12))
    return folder


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("command", ["predict", "eval"])
def test_a_model_that_gives_something_else_is_refused(
    command: str, name: str, photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In one line, and nothing is printed that looks like a result."""
    path = tmp_path / "model.onnx"
    path.write_bytes(ODD[name])
    data = ("--data", photos) if command == "eval" else (photos,)
    ended = run_in_process(capfd, command, path, *data)
    assert ended.code == 2, ended
    assert ERROR.search(ended.err), ended
    assert str(path) in ended.err
    assert ended.out == ""


def test_a_model_that_gives_logits_is_used(photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What the others are made of."""
    path = tmp_path / "model.onnx"
    path.write_bytes(gives(LINEAR))
    assert run_in_process(capfd, "predict", path, photos).code == 0


@pytest.mark.long
@pytest.mark.parametrize("name", ["feature-block", "input-batch", "tinytrain", "exits"])
def test_every_graph_in_the_place_of_every_other_is_refused(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """All of one plan, with right hashes: training ends in one line, or in a run if a graph may be the other."""
    source = compiled_copy(name, tmp_path / "source")
    manifest = read_manifest(source)
    plan = manifest.plans[0].id
    graphs = sorted(each for each in manifest.files if each.startswith(f"plans/{plan}/") and each.count("/") == 2)
    data = save_squares(tmp_path / "data.npz")
    for place in graphs:
        for other in (*graphs, PREDICT, "statistics.onnx"):
            if other == place or (source / other).read_bytes() == (source / place).read_bytes():
                continue
            kept = (source / place).read_bytes()
            (source / place).write_bytes((source / other).read_bytes())
            write_manifest(source, manifest)
            run = tmp_path / f"run-{graphs.index(place)}-{other.replace('/', '-')}"
            ended = run_in_process(
                capfd, "train", source, "--data", data, "--out", run, "--epochs", "1", "--plan", plan
            )
            (source / place).write_bytes(kept)
            assert ended.code in (0, 2), (place, other, ended)
            if ended.code == 2:
                assert ERROR.search(ended.err), (place, other, ended)
            else:
                # A form of the same graph, or one that this command does not need.
                assert "Traceback" not in ended.err


def test_bad_arrays_are_a_clear_error(tmp_path: Path) -> None:
    """Of another type, rank or name, run at once or bound: never what ONNX Runtime raises."""
    path = tmp_path / "model.onnx"
    path.write_bytes(gives(LINEAR))
    loaded = load_graph(path, {}, 1)
    images = np.zeros((2, 3, 8, 8), np.float32)
    logits = np.zeros((2, 4), np.float32)
    for feeds in ({"images": images[0]}, {"images": images.astype(np.float64)}, {"other": images}, {}):
        with pytest.raises(TbftError, match=r"model\.onnx"):
            loaded.run(feeds)
    for inputs, outputs in (
        ({"other": images}, {"logits": logits}),
        ({"images": images.astype(np.int64)}, {"logits": logits}),
        ({"images": images[0]}, {"logits": logits}),
        ({"images": images}, {"other": logits}),
        ({"images": images}, {"logits": logits[0]}),
        ({"images": images}, {"logits": logits.astype(np.float64)}),
        ({"images": images}, {"logits": logits[:1]}),
        ({"images": images}, {"logits": np.array([["text"]], object)}),
    ):
        with pytest.raises(TbftError, match=r"model\.onnx"):
            loaded.bind(inputs, outputs).run({})
