"""Every engine gets the same network: as a module, as layers, with the norms of the plan in train mode."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from benchmarks.goals import NETWORKS
from benchmarks.layers import Layer, read_layers, write_layers
from benchmarks.network import build, settled
from benchmarks.protocol import Network, Subject
from benchmarks.traced import traced
from benchmarks.workers.pytorch import Training

# As in the papers, with 1,000 classes; ResNet-26 with ten.
PARAMETERS: dict[Network, int] = {
    "resnet26": 366_938,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "mobilenet_v2": 3_504_872,
    "efficientnet_lite0": 4_652_008,
}


@pytest.mark.parametrize("network", NETWORKS)
def test_layers_compute_what_the_module_does(network: Network, tmp_path: Path) -> None:
    size = 32 if network == "resnet26" else 64
    module = build(network, size)
    assert sum(parameter.numel() for parameter in module.parameters()) == PARAMETERS[network]
    for norm in module.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(norm.running_mean, std=0.1)  # type: ignore[arg-type]
    write_layers(traced(module), tmp_path / "layers.json")
    images = torch.rand(2, 3, size, size)
    with torch.no_grad():
        values = [images]
        for layer in read_layers(tmp_path / "layers.json"):
            values.append(value(layer, [values[place + 1] for place in layer.inputs], module.state_dict()))
        torch.testing.assert_close(values[-1], module(images))


def value(layer: Layer, xs: list[Tensor], tensors: dict[str, Tensor]) -> Tensor:
    def tensor(kind: str) -> Tensor:
        return tensors[f"{layer.name}.{kind}"]

    x = xs[0]
    match layer.kind:
        case "convolution":
            return functional.conv2d(x, tensor("weight"), None, layer.stride, layer.padding, 1, layer.groups)
        case "norm":
            moments = tensor("running_mean"), tensor("running_var")
            return functional.batch_norm(x, *moments, tensor("weight"), tensor("bias"), False, 0.0, layer.epsilon)
        case "linear":
            return functional.linear(x, tensor("weight"), tensor("bias"))
        case "relu" | "relu6":
            return x.clamp(0, 6 if layer.kind == "relu6" else None)
        case "add":
            return xs[0] + xs[1]
        case "pad":
            return functional.pad(x, [side for pair in reversed(layer.pad) for side in pair])
        case "max-pool":
            return functional.max_pool2d(x, layer.kernel, layer.stride, layer.padding)
        case "average-pool":
            return functional.avg_pool2d(x, layer.kernel, layer.stride)
        case "mean":
            return x.mean((2, 3), keepdim=True)
        case "flatten":
            return x.flatten(1)


def test_pytorch_puts_the_norms_of_the_plan_in_train_mode(tmp_path: Path) -> None:
    """Those alone, also after an evaluation; both memory formats take the same steps."""
    torch.manual_seed(0)
    save_file(settled("resnet26", 32), tmp_path / "weights.safetensors")
    subject = Subject(
        "resnet26", "feature", "block", "", str(tmp_path / "weights.safetensors"), "", "",
        ("layer3.0.conv1.weight",), ("layer3.0.bn2.running_mean", "bn.running_mean"), 8, 32, 10,
    )  # fmt: skip
    images, labels = torch.rand(4, 3, 32, 32), torch.tensor([1, 2, 3, 4])
    losses = []
    for way in ("eager", "channels-last"):
        training = Training(subject, 1, way)  # type: ignore[arg-type]
        training.evaluate((images * 255).byte().permute(0, 2, 3, 1).numpy(), labels.numpy())
        modes = {name for name, module in training.network.named_modules() if module.training}
        assert modes == {"layer3.0.bn2", "bn"}
        losses.append([training.step(images, labels) for _ in range(2)])
    assert losses[0][1] < losses[0][0]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
