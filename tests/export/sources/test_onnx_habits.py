"""What exporters write in their own ways is trained as the module would be; each export compares it with PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from safetensors.numpy import load_file

from support import peoples_modules
from support.onnx_files import Change, tensors, written
from support.onnx_models import parse, run
from support.refusals import refusal
from tbft_export import ExportOptions, export_bundle
from tbft_export.sources.onnx.lift import settle_weights


def as_inputs(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))


def as_constants(model: onnx.ModelProto) -> None:
    for index, tensor in enumerate(list(model.graph.initializer)):
        model.graph.node.insert(index, helper.make_node("Constant", [], [tensor.name], value=tensor))
    del model.graph.initializer[:]


def with_ends(model: onnx.ModelProto) -> None:
    """Identity and Dropout behind the head."""
    model.graph.node[-1].output[0] = "z"
    model.graph.node.append(helper.make_node("Dropout", ["z"], ["z2"]))
    model.graph.node.append(helper.make_node("Identity", ["z2"], ["y"]))


def as_product(model: onnx.ModelProto) -> None:
    """MatMul and Add, the weight lying as Keras has it."""
    head = model.graph.node[-1]
    weight = tensors(model)["fc.weight"]
    weight.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(numpy_helper.to_array(weight).T), "fc.weight"))
    inputs = list(head.input)
    del model.graph.node[-1]
    model.graph.node.append(helper.make_node("MatMul", inputs[:2], ["product"]))
    model.graph.node.append(helper.make_node("Add", ["product", inputs[2]], ["y"]))


def not_transposed(model: onnx.ModelProto) -> None:
    weight = tensors(model)["fc.weight"]
    weight.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(numpy_helper.to_array(weight).T), "fc.weight"))
    head = model.graph.node[-1]
    del head.attribute[:]


def odd_names(model: onnx.ModelProto) -> None:
    """Slashes, colons, and those that every bundle uses for something else."""
    names = {each: f"model/{each.replace('.', '/')}:0" for each in tensors(model)}
    inner = [output for node in model.graph.node[:-1] for output in node.output]
    names |= dict(zip(inner[:4], ("images", "labels", "loss", "logits"), strict=True))
    for tensor in model.graph.initializer:
        tensor.name = names[tensor.name]
    for node in model.graph.node:
        node.name = "node"
        node.input[:] = [names.get(each, each) for each in node.input]
        node.output[:] = [names.get(each, each) for each in node.output]


@pytest.mark.parametrize(
    "change", [as_inputs, as_constants, with_ends, as_product, not_transposed], ids=lambda each: each.__name__
)
@pytest.mark.parametrize("drift", ["feature", "output", "full"])
def test_habits(tmp_path: Path, change: Change, drift: str) -> None:
    path = written(tmp_path / "model.onnx", change)
    exported = export_bundle(ExportOptions(str(path), drift), tmp_path / "bundle")  # type: ignore[arg-type]
    assert "fc.weight" in load_file(tmp_path / "bundle" / "weights.safetensors")
    assert exported.checks[0].passed


def test_names_of_other_tools(tmp_path: Path) -> None:
    path = written(tmp_path / "model.onnx", odd_names)
    export_bundle(ExportOptions(str(path), method="full"), tmp_path / "bundle")
    assert "model.fc.weight" in load_file(tmp_path / "bundle" / "weights.safetensors")


@pytest.mark.parametrize("opset", [11, 13, 15, 16, 17, 18, 19, 20])
def test_opsets(tmp_path: Path, opset: int) -> None:
    """What cannot be converted is refused in one line."""
    path = written(tmp_path / "model.onnx", opset_version=opset)
    export_bundle(ExportOptions(str(path), "feature"), tmp_path / "bundle")


def test_a_fixed_batch_is_freed(tmp_path: Path) -> None:
    """Exported for one image, it is trained with many."""

    def flattened(model: onnx.ModelProto) -> None:
        head = model.graph.node[-1]
        shape = numpy_helper.from_array(np.array([1, -1]), "shape")
        model.graph.initializer.append(shape)
        model.graph.node.insert(len(model.graph.node) - 1, helper.make_node("Reshape", [head.input[0], "shape"], ["f"]))
        head.input[0] = "f"

    path = written(tmp_path / "model.onnx", flattened, dynamic_axes={})
    export_bundle(ExportOptions(str(path), "feature"), tmp_path / "bundle")


@pytest.mark.parametrize("drift", ["input", "feature", "full"])
def test_equal_tensors_that_were_written_once(tmp_path: Path, drift: str) -> None:
    """Fresh norms are equal, and PyTorch writes the first of them and copies; each is trained for itself."""
    path = written(tmp_path / "model.onnx")
    assert any(node.op_type == "Identity" for node in onnx.load(path).graph.node)
    export_bundle(ExportOptions(str(path), drift), tmp_path / "bundle")  # type: ignore[arg-type]
    found = load_file(tmp_path / "bundle" / "weights.safetensors")
    expected = peoples_modules.plain().state_dict()
    assert found.keys() == {name for name in expected if "num_batches" not in name}
    for name, tensor in found.items():
        np.testing.assert_array_equal(tensor, expected[name].numpy())


def test_equal_tensors_that_a_tool_merged(tmp_path: Path) -> None:
    """Without copies: a scale that is a variance, too, would be taken for one, and not be trained."""

    def merged(model: onnx.ModelProto) -> None:
        first: dict[bytes, str] = {}
        for node in list(model.graph.node):
            if node.op_type == "Identity" and node.input[0] in tensors(model):
                first[node.output[0].encode()] = node.input[0]
                model.graph.node.remove(node)
        for node in model.graph.node:
            node.input[:] = [first.get(each.encode(), each) for each in node.input]

    path = written(tmp_path / "model.onnx", merged)
    plan = export_bundle(ExportOptions(str(path), method="bn-only"), tmp_path / "bundle").manifest.plans[0]
    # A scale and a shift for each of four norms, under their own names.
    expected = {name for name in peoples_modules.plain().state_dict() if name.split(".")[-2:][0] == "1"}
    assert {each.name for each in plan.parameters} == {name for name in expected if "weight" in name or "bias" in name}


def test_what_is_applied_twice_stays_tied() -> None:
    """Its weight has one name in both nodes; only vectors are taken apart."""
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((3, 3), np.float32), rng.standard_normal(3, np.float32)
    model = parse(
        "g (float[n,3] x) => (float[n,3] y) { a = Gemm(x, w, b) c = Gemm(a, w, b) d = Add(c, b) y = Mul(d, b) }",
        w=weight,
        b=bias,
    )
    x = rng.standard_normal((2, 3), np.float32)
    before = run(model, {"x": x})["y"]
    settle_weights(model.graph)
    names = [[value.name for value in node.inputs if value is not None] for node in model.graph]
    assert [names[0][1:], names[1][1:]] == [["w", "b"], ["w", "b"]]
    assert len({names[0][2], names[2][1], names[3][1]}) == 3
    np.testing.assert_array_equal(run(model, {"x": x})["y"], before)


def test_weights_beside_the_file(tmp_path: Path) -> None:
    model = onnx.load(written(tmp_path / "one.onnx"))
    (tmp_path / "two").mkdir()
    path = tmp_path / "two" / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    export_bundle(ExportOptions(str(path), "feature"), tmp_path / "bundle")
    (tmp_path / "two" / "model.onnx.data").unlink()
    said = "has its weights in 'model.onnx.data', which does not lie beside it"
    assert said in refusal(ExportOptions(str(path), "feature"), tmp_path / "two").message


def not_a_number(model: onnx.ModelProto) -> None:
    values = numpy_helper.to_array(tensors(model)["fc.weight"]).copy()
    values[0, 0] = np.nan
    tensors(model)["fc.weight"].CopyFrom(numpy_helper.from_array(values, "fc.weight"))


def finds_padding(model: onnx.ModelProto) -> None:
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    kept = [each for each in conv.attribute if each.name != "pads"]
    del conv.attribute[:]
    conv.attribute.extend([*kept, helper.make_attribute("auto_pad", "SAME_UPPER")])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (not_a_number, "tensor 'fc.weight'"),
    ],
)
def test_what_is_refused(tmp_path: Path, change: Change, said: str) -> None:
    path = written(tmp_path / "model.onnx", change)
    assert said in refusal(ExportOptions(str(path), "feature"), tmp_path).message


def test_padding_that_is_to_be_found_is_found(tmp_path: Path) -> None:
    """As converters from TensorFlow leave it."""
    path = written(tmp_path / "model.onnx", finds_padding)
    assert export_bundle(ExportOptions(str(path), "feature"), tmp_path / "bundle").manifest.plans
