"""A new head takes the place of the layer that gives the logits, wherever it was made; else nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from support import peoples_modules
from support.peoples_modules import Answering
from tbft_artifacts.errors import TbftError
from tbft_export import ExportOptions, export_bundle
from tbft_export.sources.new_head import replace_head

IMAGES = torch.zeros(2, 3, 8, 8)


class Made(Answering):
    """The head is made first, and behind it what is no head: a gate, and one that training alone used."""

    def __init__(self, end: Callable[[Made, Tensor], Tensor]) -> None:
        super().__init__()
        self.gate = nn.Linear(6, 6)
        self.auxiliary = nn.Linear(6, 4)
        self.conv_head = nn.Conv2d(6, 4, 1)
        self.wide = nn.Conv2d(6, 4, 3, padding=1)
        self.scale = nn.Parameter(torch.ones(1))
        self.end = end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self, self.layer1(self.conv1(x)))


def pooled(net: Made, x: Tensor) -> Tensor:
    return x.mean((2, 3)) * torch.sigmoid(net.gate(x.mean((2, 3))))


@pytest.mark.parametrize(
    ("end", "path"),
    [
        (lambda net, x: net.fc(pooled(net, x)), "fc"),
        (lambda net, x: net.scale * nn.functional.dropout(net.fc(pooled(net, x)), training=net.training) / 2, "fc"),
        (lambda net, x: net.conv_head(x).mean((2, 3)), "conv_head"),
        (lambda net, x: nn.functional.adaptive_avg_pool2d(torch.relu(net.conv_head(x)), 1).flatten(1), "conv_head"),
    ],
)
def test_the_layer_that_gives_the_logits(end: Callable[[Made, Tensor], Tensor], path: str) -> None:
    torch.manual_seed(0)
    net = Made(end).eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert replace_head(net, 7, "m", IMAGES) == (f"{path}.weight", f"{path}.bias")
    assert net(IMAGES).shape == (2, 7)
    for name, tensor in net.state_dict().items():
        assert name.startswith(path) or torch.equal(tensor, before[name])
    assert all(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (lambda net, x: net.wide(x).mean((2, 3)), "layer 'wide' of model 'm' (Conv2d with 4 outputs) does not give"),
        (lambda net, x: net.gate(x.mean((2, 3)))[:, :4], "layer 'gate' of model 'm' (Linear with 6 outputs)"),
        (lambda net, x: net.fc(x.mean((2, 3))) + net.auxiliary(x.mean((2, 3))), "no single linear layer"),
        (lambda net, x: nn.functional.linear(x.mean((2, 3)), net.fc.weight), "no single linear layer"),
        (lambda net, x: net.fc(net.gate(x.mean((2, 3)))).sort().values @ torch.eye(4), "layers for the old classes"),
        (lambda net, x: net.fc(x.mean((2, 3)).detach()).detach(), "no single linear layer"),
    ],
)
def test_where_no_layer_gives_them(end: Callable[[Made, Tensor], Tensor], said: str) -> None:
    with pytest.raises(TbftError) as caught:
        replace_head(Made(end).eval(), 7, "m", IMAGES)
    assert said in caught.value.message
    assert "model itself" in caught.value.hint


def test_a_shared_head_is_not_torn_from_its_twin() -> None:
    net = Made(lambda net, x: net.fc(x.mean((2, 3)) + net.auxiliary(x.mean((2, 3))) @ torch.ones(4, 6))).eval()
    net.auxiliary.weight = net.fc.weight
    with pytest.raises(TbftError, match="shares its weights with 'auxiliary'"):
        replace_head(net, 7, "m", IMAGES)

    def twice(net: Made, x: Tensor) -> Tensor:
        again = net.fc(x.mean((2, 3)))
        logits: Tensor = net.fc(x.mean((2, 3)) * again.sum())
        return logits

    with pytest.raises(TbftError, match="used more than once"):
        replace_head(Made(twice).eval(), 7, "m", IMAGES)


@pytest.mark.parametrize("name", ["plain", "as_dict", "wrapped", "as_tuple"])
def test_an_export_with_as_many_classes_as_before(tmp_path: Path, name: str) -> None:
    """The head is fresh all the same, also where the old one was drawn from the same seed and never trained."""
    options = ExportOptions(
        f"support.peoples_modules:{name}", "output", image_size=8, new_head=True, classes=("a", "b", "c", "d")
    )
    export_bundle(options, tmp_path / "bundle")
    found = load_file(tmp_path / "bundle" / "weights.safetensors")
    before = getattr(peoples_modules, name)().state_dict()
    (head,) = [each for each in found if each.endswith("fc.weight")]
    for each, tensor in found.items():
        assert torch.equal(tensor, before[each]) == (each not in (head, head.replace("weight", "bias")))


def test_a_head_that_was_never_trained_is_drawn_anew() -> None:
    torch.manual_seed(0)
    first = nn.Sequential(nn.Linear(6, 4))
    before = first[0].weight.clone()  # type: ignore[operator]
    replace_head(first, 4, "m", torch.zeros(2, 6))
    assert not torch.equal(first[0].weight, before)  # type: ignore[arg-type]
