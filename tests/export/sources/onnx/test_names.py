"""Weights that an exporter left without a name get that of their layer; names that say something stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper

from support.onnx_files import small
from support.onnx_models import parse
from tbft_export.sources.onnx.names import keep_reserved, name_weights
from tbft_export.sources.onnx.read import read_onnx

F = np.float32
SCOPES = "pkg.torch.onnx.name_scopes"


def graph(
    *lines: tuple[str, str, list[str]], scopes: dict[str, str] | None = None, **weights: tuple[int, ...]
) -> ir.Graph:
    """Nodes (operator, name, inputs), each of which reads the one before it as `_`."""
    previous, nodes = "x", []
    for number, (kind, name, inputs) in enumerate(lines):
        output = f"out{number}"
        node = helper.make_node(kind, [previous if each == "_" else each for each in inputs], [output], name=name)
        if scopes and name in scopes:
            node.metadata_props.add(key=SCOPES, value=scopes[name])
        nodes.append(node)
        previous = output
    images = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, None)
    logits = helper.make_tensor_value_info(previous, onnx.TensorProto.FLOAT, None)
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [images],
            [logits],
            [onnx.numpy_helper.from_array(np.ones(shape, F), name) for name, shape in weights.items()],
        )
    )
    return ir.from_proto(model).graph


def named(given: ir.Graph) -> list[str]:
    """The names of weights, in the order in which nodes read them."""
    name_weights(given, frozenset(given.initializers))
    return [value.name or "" for node in given for value in node.inputs if value is not None and value.is_initializer()]


def test_the_scopes_of_torchscript() -> None:
    """Its default: norms are folded, and what is new is numbered."""
    names = named(
        graph(
            ("Conv", "/conv1/Conv", ["_", "onnx::Conv_193", "onnx::Conv_194"]),
            ("Conv", "/layer1/layer1.0/conv1/Conv", ["_", "onnx::Conv_196", "onnx::Conv_197"]),
            ("Conv", "/layer2/layer2.0/downsample/downsample.0/Conv", ["_", "onnx::Conv_199", "onnx::Conv_200"]),
            ("Conv", "/features/features.0/features.0.0/Conv", ["_", "onnx::Conv_202"]),
            ("MatMul", "/head/fc/MatMul", ["_", "onnx::MatMul_210"]),
            ("Add", "/head/fc/Add", ["head.fc.bias", "_"]),
            **dict.fromkeys(
                ["onnx::Conv_193", "onnx::Conv_194", "onnx::Conv_196", "onnx::Conv_197", "onnx::Conv_199"], (3,)
            ),
            **dict.fromkeys(["onnx::Conv_200", "onnx::Conv_202", "onnx::MatMul_210", "head.fc.bias"], (3,)),
        )
    )
    assert names == [
        *("conv1.weight", "conv1.bias", "layer1.0.conv1.weight", "layer1.0.conv1.bias"),
        *("layer2.0.downsample.0.weight", "layer2.0.downsample.0.bias", "features.0.0.weight"),
        *("head.fc.weight", "head.fc.bias"),
    ]


def test_the_scopes_of_dynamo() -> None:
    """Folded norms: the weight keeps its name, the bias gets one from it; products have it in their metadata."""
    names = named(
        graph(
            ("Conv", "node_Conv_292", ["_", "conv1.weight", "conv1.weight_bias"]),
            ("MatMul", "node_MatMul_3", ["_", "val_12"]),
            ("Add", "node_linear", ["_", "val_13"]),
            scopes={
                "node_Conv_292": "['', 'bn1', '_native_batch_norm_legit_no_training']",
                "node_MatMul_3": "['', 'blocks', 'blocks.0', 'blocks.0.fc', 'linear']",
            },
            **dict.fromkeys(["conv1.weight", "conv1.weight_bias", "val_12", "val_13"], (3,)),
        )
    )
    assert names == ["conv1.weight", "conv1.bias", "blocks.0.fc.weight", "blocks.0.fc.bias"]


def test_kind_and_number_where_nothing_is_said() -> None:
    given = [
        ("Conv", "", ["_", "12", "13"]),
        ("BatchNormalization", "", ["_", "14", "15", "16", "17"]),
        ("PRelu", "", ["_", "18"]),
        ("Conv", "", ["_", "kernel", "20"]),
        ("Gemm", "Gemm_4", ["_", "21", "22"]),
    ]
    weights = dict.fromkeys([*map(str, range(12, 19)), "kernel", *map(str, range(20, 23))], (3,))
    names = named(graph(*given, **weights))
    assert names == [
        *("conv1.weight", "conv1.bias", "norm1.weight", "norm1.bias", "norm1.running_mean", "norm1.running_var"),
        *("prelu1.weight", "kernel", "conv2.bias", "linear1.weight", "linear1.bias"),
    ]
    assert names == named(graph(*given, **weights))


def test_no_name_is_given_twice() -> None:
    """A layer that is applied twice has its weights once; a name that is taken gets a number."""
    names = named(
        graph(
            ("Conv", "/stem/Conv", ["_", "onnx::Conv_1"]),
            ("Conv", "/stem/Conv_1", ["_", "onnx::Conv_1"]),
            ("Conv", "/stem/Conv_2", ["_", "onnx::Conv_2"]),
            ("Conv", "/other/Conv", ["_", "stem.weight"]),
            **dict.fromkeys(["onnx::Conv_1", "onnx::Conv_2", "stem.weight"], (3,)),
        )
    )
    assert names == ["stem_2.weight", "stem_2.weight", "stem_3.weight", "stem.weight"]


@pytest.mark.parametrize(
    "name",
    [
        "fc.weight",
        "conv2d_0.w_0",
        "relative_position_bias",
        "conv1_W",
        "ln.weight",
    ],
)
def test_names_that_say_something_stay(name: str) -> None:
    assert named(graph(("Gemm", "/head/Gemm", ["_", name]), **{name: (3,)})) == [name]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["model/block1/conv/kernel:0"], ["model.block1.conv.kernel"]),
        (["gpu_0/conv1_w_0"], ["gpu_0.conv1_w_0"]),
        (["fc/w:0", "fc/w:1"], ["fc.w", "fc_2.w"]),
    ],
)
def test_slashes_are_modules(given: list[str], expected: list[str]) -> None:
    """As TensorFlow and Caffe2 spell them: blocks are told apart by dots."""
    lines = [("Gemm", "", ["_", name]) for name in given]
    assert named(graph(*lines, **dict.fromkeys(given, (3,)))) == expected


def test_a_weight_is_no_module() -> None:
    """A name that others begin with would be a block that holds them."""
    given = graph(
        ("Gemm", "", ["_", "fc"]), ("Gemm", "", ["_", "fc.weight"]), **dict.fromkeys(["fc", "fc.weight"], (3,))
    )
    assert named(given) == ["linear1.weight", "fc.weight"]


def test_a_weight_is_no_module_of_tensorflow() -> None:
    """Where slashes part the names."""
    names = ["top/fc", "top/fc/w:0"]
    given = graph(*(("Gemm", "", ["_", name]) for name in names), **dict.fromkeys(names, (3,)))
    assert named(given) == ["linear1.weight", "top.fc.w"]


def test_names_of_the_bundle_are_taken_by_nothing_else() -> None:
    given = parse(
        "g (float[n] x) => (float[n] y) { logits = Relu (x) loss = Add (logits, labels) y = Abs (loss) }",
        labels=np.ones(1, F),
    ).graph
    for node in given:
        node.name = "same"
    keep_reserved(given)
    assert [node.outputs[0].name for node in given] == ["logits.inside", "loss.inside", "y"]
    assert "labels.inside" in given.initializers
    assert len({node.name for node in given}) == 3


def test_a_file_without_names(tmp_path: Path) -> None:
    """Read as a whole: folded into its convolutions and numbered, as the default of TorchScript's exporter."""
    path = small(tmp_path / "m.onnx")
    model = onnx.load(path)
    lost = {"w": "onnx::Conv_7", "b": "onnx::Conv_8", "fw": "5", "fb": "val_3"}
    for tensor in model.graph.initializer:
        tensor.name = lost[tensor.name]
    for node in model.graph.node:
        node.input[:] = [lost.get(each, each) for each in node.input]
    onnx.save(model, path)
    file = read_onnx(path, None)
    assert file.floats == {"conv1.weight", "conv1.bias", "linear1.weight", "linear1.bias"}
    assert any(note.startswith("the file has no batch norms") for note in file.notes)
