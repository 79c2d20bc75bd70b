"""What is never trained: parameters that their owner froze, buffers, and what only normalises the input of a file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from support import tiny_models
from support.refusals import refusal
from tbft_export import ExportOptions, export_bundle
from tbft_export.methods.method import Network
from tbft_export.pipeline import PassRunner
from tbft_export.sources.given_shape import GivenShape
from tbft_export.sources.load import TrainedModel, load_model

SIZE = 16
NORMALISING: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "sub, div": lambda x, mean, scale: (x - mean) / scale,
    "mul, add": lambda x, mean, scale: x * scale + mean,
}


class Normalised(nn.Module):
    """Mean and scale of pixels inside the network."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]).reshape(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.2, 0.3, 0.25]).reshape(1, 3, 1, 1))
        self.way = NORMALISING[way]
        self.net = tiny_models.tiny_deep()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(self.way(x, self.mean, self.scale))
        return logits


def frozen(*parts: str) -> nn.Module:
    """With some of its parts frozen, or all of it."""
    net = tiny_models.tiny_deep()
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(not name.startswith(parts))
    return net


stem_frozen = partial(frozen, "conv1", "bn1")
head_alone = partial(frozen, "conv1", "bn1", "layer")
wholly_frozen = partial(frozen, "")
buffers = partial(Normalised, "sub, div")


def loaded(factory: str) -> TrainedModel:
    return load_model(f"{__name__}:{factory}", None, None, GivenShape((SIZE, SIZE)), PassRunner())


def trained(model: TrainedModel) -> set[str]:
    return {name.partition(".")[0] for name in Network(model.forward).parameters}


@pytest.mark.parametrize("way", NORMALISING)
def test_what_normalises_the_input_of_a_file_is_no_parameter(tmp_path: Path, way: str) -> None:
    path = tmp_path / "net.onnx"
    torch.onnx.export(
        Normalised(way).eval(),
        (torch.rand(1, 3, SIZE, SIZE),),
        path,
        dynamo=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        dynamic_axes={"x": {0: "n"}},
        input_names=["x"],
    )
    model = load_model(str(path), None, None, GivenShape(), PassRunner())
    assert model.forward.fixed == {"mean", "scale"} & model.forward.weights
    assert trained(model) == {"net"}


def test_buffers_of_a_module_are_no_parameters() -> None:
    assert trained(loaded("buffers")) == {"net"}


def test_what_a_module_froze_is_in_no_plan_and_said(tmp_path: Path) -> None:
    """Also of everything; and the step of what is left is PyTorch's."""
    exported = export_bundle(ExportOptions(f"{__name__}:stem_frozen", "full", image_size=SIZE), tmp_path / "b")
    (plan,) = exported.manifest.plans
    assert {parameter.name.partition(".")[0] for parameter in plan.parameters} == {"layer1", "layer2", "layer3", "fc"}
    assert [block.name for block in exported.manifest.blocks] == ["layer1", "layer2", "layer3", "fc"]
    (note,) = [note for note in exported.notes if "frozen" in note]
    assert "no plan trains it" in note
    assert "conv1.weight" in note


def test_a_drift_of_what_is_frozen_is_refused(tmp_path: Path) -> None:
    error = refusal(ExportOptions(f"{__name__}:head_alone", "feature", image_size=SIZE), tmp_path)
    assert error.message == "the network has nothing that feature drift calls for: its blocks are fc"
    assert "`drift` output and full train it" in error.hint


def test_a_module_frozen_for_inference_is_trained_whole() -> None:
    """`requires_grad_(False)` on everything says that nobody was going to train it, not what should not be."""
    model = loaded("wholly_frozen")
    assert model.forward.fixed == frozenset()
    assert {"conv1", "layer3", "fc"} <= trained(model)
