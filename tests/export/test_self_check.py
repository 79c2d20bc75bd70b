"""What is written is held against PyTorch: a wrong gradient is refused, and what rounding decides is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from support import odd_models
from support.refusals import refusal, tiny_options
from tbft_export import ExportOptions, export_bundle
from tbft_export.check.measure import relative_error
from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings import registry
from tbft_export.reference.torch_reference import TorchReference, reference_step
from tbft_export.sources.resnet26 import ResNet26


def test_a_wrong_gradient_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-check compares what was written, whatever the tests of the lowerings say."""

    def forgets_the_kink(emit: Emitter) -> None:
        emit.replace(emit.op("Identity", emit.node.inputs[0]))

    key = ("com.microsoft", "ReluGrad")
    registry.all_lowerings()
    monkeypatch.setitem(registry._LOWERINGS, key, registry.Lowering(*key, forgets_the_kink))
    error = refusal(tiny_options(drift="feature"), tmp_path)
    assert "the compiled graphs disagree with PyTorch" in error.message
    assert "layer2" in error.message


@pytest.mark.long
def test_what_rounding_decides_at_a_kink_is_no_defect(tmp_path: Path) -> None:
    """Noise on the front of ResNet-26 leaves activations within rounding of ReLUs in every batch; it is no defect."""
    torch.manual_seed(0)
    net = ResNet26(10)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.startswith(("conv1", "layer1")):
                parameter += 0.15 * torch.randn_like(parameter)
    save_file(net.state_dict(), tmp_path / "noisy.safetensors")
    options = ExportOptions(model="resnet26", weights=tmp_path / "noisy.safetensors", drift="input", batch_norm="batch")
    (check,) = export_bundle(options, tmp_path / "bundle").checks
    assert check.passed


def test_a_moved_kink_changes_only_what_lies_beside_it() -> None:
    """What the check allows for comes from PyTorch alone, and is nothing where no value is near 0."""

    class OneLayer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor([1.0, 1.0, 1.0]))

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(x.flatten(1) * self.scale)

    def gradient(images: list[float], kink: float) -> np.ndarray:
        pixels = np.array([images], np.float32).reshape(1, 3, 1, 1)
        step = reference_step(TorchReference(OneLayer()), ["scale"], (), pixels, np.array([0]), kink=kink)
        return step.gradients["scale"]

    unclear, clear = [1.0, -1.0, 1e-7], [1.0, -1.0, 1e-2]
    assert gradient(unclear, 0.0)[2] > 0
    assert gradient(unclear, 1e-6)[2] == 0
    np.testing.assert_allclose(gradient(unclear, 1e-6)[:2], gradient(unclear, 0.0)[:2], rtol=1e-6)
    np.testing.assert_array_equal(gradient(clear, 1e-6), gradient(clear, 0.0))


def test_a_gradient_that_is_exactly_zero_is_left_out_by_name(tmp_path: Path) -> None:
    """A bias ahead of a norm with batch statistics moves nothing; its gradient is nothing but rounding."""
    options = tiny_options(model="support.odd_models:with_biases", drift="input", batch_norm="batch")
    assert export_bundle(options, tmp_path / "batch").checks[0].zero_gradients == ("conv1.bias",)
    options = tiny_options(model="support.odd_models:with_biases", drift="input", batch_norm="frozen")
    assert export_bundle(options, tmp_path / "frozen").checks[0].zero_gradients == ()


@pytest.mark.parametrize(
    ("drift", "blocks"),
    [
        ("input", ("conv1", "left", "right")),
        ("feature", ("left", "right")),
        ("output", ("fc",)),
        ("full", ("conv1", "left", "right", "fc")),
    ],
)
def test_branches_that_are_joined_by_concat(tmp_path: Path, drift: str, blocks: tuple[str, ...]) -> None:
    """A network that is no chain of residual blocks; the export compares its gradients with PyTorch."""
    options = tiny_options(model="support.odd_models:joined", drift=drift, image_size=odd_models.IMAGE_SIZE)
    exported = export_bundle(options, tmp_path / "bundle")
    assert exported.manifest.plans[0].blocks == blocks
    # Between the branches lies no single activation.
    assert exported.manifest.plans[0].boundary.shape == {"output": (10,), "feature": (4, 32, 32)}.get(
        drift, (3, 32, 32)
    )


def test_a_gradient_that_is_no_number_fails_the_check() -> None:
    """`max` of NaN and a small number is the small number."""
    assert relative_error(np.array([np.nan, 1.0]), np.array([1.0, 1.0])) == np.inf
    assert relative_error(np.array([1.0, 1.0]), np.array([np.nan, 1.0])) == np.inf
