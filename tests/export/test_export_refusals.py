"""What cannot be exported ends in one error that says what and where, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from support import tiny_models
from support.onnx_models import parse
from support.refusals import TINY, refusal, tiny_options
from tbft_artifacts.errors import TbftError
from tbft_export import ExportOptions, export_bundle
from tbft_export.sources.resnet26 import ResNet26

# Operators


def test_an_operator_without_a_gradient_is_named(tmp_path: Path) -> None:
    error = refusal(tiny_options(model="support.tiny_models:tiny_without_gradient", drift="input"), tmp_path)
    assert "operator Round at node '/relu/Round' has no gradient" in error.message
    assert "train a block behind it" in error.hint


@pytest.mark.parametrize(
    ("model", "drift", "block"),
    [("tiny_models:tiny_without_gradient", "feature", "layer2"), ("odd_models:uneven_pool", "output", "fc")],
)
def test_a_block_behind_an_operator_without_a_gradient_can_be_trained(
    tmp_path: Path, model: str, drift: str, block: str
) -> None:
    """As the hint says; the official artifacts too."""
    options = tiny_options(model=f"support.{model}", drift=drift, official=True)
    exported = export_bundle(options, tmp_path / "bundle")
    assert exported.manifest.plans[0].blocks == (block,)
    assert (tmp_path / "bundle" / exported.manifest.plans[0].ort_training / "training_model.onnx").is_file()


def test_an_average_pool_that_leaves_padding_out_is_trained_through(tmp_path: Path) -> None:
    """The export compares a step with PyTorch."""
    options = tiny_options(model="support.odd_models:uneven_pool", drift="full")
    assert len(export_bundle(options, tmp_path / "bundle").manifest.plans) == 1


# Blocks


def test_an_unknown_block_lists_the_known_ones(tmp_path: Path) -> None:
    error = refusal(tiny_options(blocks=("layer1", "layer7")), tmp_path)
    assert error.message == "the model has no block 'layer7'"
    assert error.hint == "blocks: conv1, bn1, layer1, layer2, fc"


def test_a_network_without_blocks_can_still_be_given_one(tmp_path: Path) -> None:
    options = tiny_options(model="support.odd_models:plain_chain", drift="feature")
    error = refusal(options, tmp_path)
    assert error.message == "the network has nothing that feature drift calls for: its blocks are 0, 4"
    assert error.hint.startswith("`drift` output and full train it; or name modules")
    error = refusal(tiny_options(model="support.odd_models:plain_chain", blocks=("9",)), tmp_path)
    assert error.hint == "blocks: 0, 4"
    named = tiny_options(model="support.odd_models:plain_chain", blocks=("4",))
    plan = export_bundle(named, tmp_path / "bundle").manifest.plans[0]
    assert [parameter.name for parameter in plan.parameters] == ["4.weight", "4.bias"]


# Weights


def saved(folder: Path, state: dict[str, Tensor], suffix: str) -> Path:
    path = folder / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_weights_that_do_not_fit_name_the_tensors(tmp_path: Path, suffix: str) -> None:
    state = dict(tiny_models.tiny().state_dict())
    state["fc.weight"] = torch.zeros(7, 6)
    state["layer9.weight"] = state.pop("bn1.bias")
    error = refusal(tiny_options(weights=saved(tmp_path, state, suffix)), tmp_path)
    assert "missing bn1.bias; unexpected layer9.weight; fc.weight is (7, 6), not (4, 6)" in error.message


def test_weights_of_another_network_are_not_listed_without_end(tmp_path: Path) -> None:
    path = saved(tmp_path, dict(ResNet26().state_dict()), ".pth")
    error = refusal(tiny_options(weights=path), tmp_path)
    assert error.message.count(";") == 6
    assert "more" in error.message


class Payload:
    """What a malicious checkpoint would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("run by the checkpoint",))


@pytest.mark.parametrize(
    "name", ["code.pth", "noise.pth", "noise.safetensors", "list.pt", "missing.pth", "weights.bin"]
)
def test_a_file_that_is_no_state_dict_is_refused(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Without running anything that is in it."""
    path = tmp_path / name
    match path.stem:
        case "code":
            torch.save({"fc.weight": Payload()}, path)
        case "list":
            torch.save([torch.zeros(2)], path)
        case "missing":
            pass
        case _:
            path.write_bytes(b"no weights at all")
    assert name in refusal(tiny_options(weights=path), tmp_path).message
    assert "run by the checkpoint" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("wrap", [lambda state: {"state_dict": state, "epoch": 3}, lambda state: {"model": state}])
def test_weights_inside_a_checkpoint_are_found(tmp_path: Path, wrap: object) -> None:
    """Also those of a model that was trained in DataParallel."""
    state = {f"module.{name}": tensor + 1 for name, tensor in tiny_models.tiny().state_dict().items()}
    torch.save(wrap(state), tmp_path / "weights.pth")  # type: ignore[operator]
    export_bundle(tiny_options(weights=tmp_path / "weights.pth"), tmp_path / "bundle")
    model = onnx.load(tmp_path / "bundle" / "predict.onnx", load_external_data=False)
    onnx.load_external_data_for_model(model, str(tmp_path / "bundle"))
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert (found["fc.weight"] == state["module.fc.weight"].numpy()).all()


# Classes, image size, model


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (("a", "b", "c"), "3 class names were given (3 different), but the model has 4 classes"),
        (("a", "b", "c", "c"), "4 class names were given (3 different), but the model has 4 classes"),
    ],
)
def test_class_names_that_do_not_fit(tmp_path: Path, classes: tuple[str, ...], said: str) -> None:
    assert said in refusal(tiny_options(classes=classes), tmp_path).message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "resnet99"}, "unknown model 'resnet99'"),
        ({"model": "resnet26"}, "model 'resnet26' has no weights"),
        ({"model": "support.nowhere:net"}, "model 'support.nowhere:net' cannot be made"),
        ({"model": "support.tiny_models:nothing"}, "model 'support.tiny_models:nothing' cannot be made"),
        ({"model": "support.batches:random_batches"}, "random_batches"),
        ({"model": "builtins:dict"}, "'builtins:dict' returned a dict, not a torch module"),
        ({"image_size": None}, f"the image size of '{TINY}' is not known"),
        ({"model": "support.odd_models:two_outputs"}, "returns several tensors"),
        ({"model": "support.odd_models:feature_map"}, "to (N, 4, 6, 6), not to (N, classes)"),
        ({"model": "support.odd_models:broken_shapes"}, "support.odd_models:broken_shapes"),
        ({"model": "nowhere.onnx"}, "'nowhere.onnx' does not exist"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_models_that_are_no_classifiers(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    assert said in refusal(tiny_options(**changes), tmp_path).message


def test_an_image_size_that_the_network_cannot_take(tmp_path: Path) -> None:
    path = saved(tmp_path, dict(ResNet26().state_dict()), ".pth")
    error = refusal(ExportOptions("resnet26", "output", weights=path, image_size=30), tmp_path)
    assert "image size 30 is not a multiple of 4" in error.message


def test_an_onnx_file_that_is_no_classifier(tmp_path: Path) -> None:
    text = "g (float[n,3] x) => (float[n,3] y) { y = Relu(x) }"
    onnx.save(ir.to_proto(parse(text)), tmp_path / "relu.onnx")
    error = refusal(ExportOptions(str(tmp_path / "relu.onnx"), "output"), tmp_path)
    assert "not (N, C, H, W) to (N, classes)" in error.message


# The place to write to


def test_an_existing_bundle_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "precious").write_text("data")
    assert "exists already" in refusal(tiny_options(), tmp_path).message
    assert (out / "precious").read_text() == "data"


def test_an_empty_folder_may_be_given(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    export_bundle(tiny_options(), tmp_path / "bundle")
    assert (tmp_path / "bundle" / "manifest.json").is_file()


# The check against PyTorch


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1])
def test_rates_that_are_no_rates(value: float, tmp_path: Path) -> None:
    """A manifest with such a number could not be read by any device."""
    options = ExportOptions(model="support.tiny_models:tiny", drift="output", image_size=8, lr=value)
    with pytest.raises(TbftError, match="negative or no number"):
        export_bundle(options, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("name", ["unlabelled", "", ".hidden", "a/b"])
def test_names_that_cannot_be_folders(name: str, tmp_path: Path) -> None:
    """On a device each class is a folder, and `unlabelled` means no label."""
    options = ExportOptions(
        model="support.tiny_models:tiny", drift="output", image_size=8, classes=("ant", "bee", "cat", name)
    )
    with pytest.raises(TbftError, match="cannot be a class"):
        export_bundle(options, tmp_path / "bundle")


def test_another_number_of_classes(tmp_path: Path) -> None:
    """`--classes 7` for a network of four is a mistake, not a wish."""
    options = ExportOptions(model="support.tiny_models:tiny", drift="output", image_size=8, class_count=7)
    with pytest.raises(TbftError, match="has 4 classes, not 7"):
        export_bundle(options, tmp_path / "bundle")
