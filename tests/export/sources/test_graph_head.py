"""`--new-head` for an .onnx file gives what it gives for the torch module that the file was written from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from tbft_artifacts.errors import TbftError
from tbft_export import ExportOptions, export_bundle
from tbft_export.graph.sessions import Session
from tbft_export.pipeline import PassRunner
from tbft_export.sources.given_shape import NOTHING_SAID
from tbft_export.sources.load import TrainedModel, load_model
from tbft_export.sources.new_head import replace_head

SIZE = 8
OLD, NEW = 4, 7


class Ending(nn.Module):
    """A small network that ends in one of several ways."""

    def __init__(self, end: Callable[[Ending, Tensor], Tensor], *, bias: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.fc = nn.Linear(6, OLD, bias=bias)
        self.second = nn.Linear(6, OLD)
        self.hidden = nn.Linear(6, 6)
        self.conv_head = nn.Conv2d(6, OLD, 1, bias=bias)
        self.wide = nn.Conv2d(6, OLD, 3)
        self.end = end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self, torch.relu(self.conv1(x)))


def tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def pool(x: Tensor) -> Tensor:
    return nn.functional.adaptive_avg_pool2d(x, 1)


ENDINGS: dict[str, Callable[[Ending, Tensor], Tensor]] = {
    "linear": lambda net, x: net.fc(x.mean((2, 3))),
    "several layers": lambda net, x: net.fc(torch.relu(net.hidden(x.mean((2, 3))))),
    "per token": lambda net, x: net.fc(tokens(x)).mean(1),
    "convolution": lambda net, x: pool(torch.relu(net.conv_head(x))).flatten(1),
    "convolution and a shape": lambda net, x: pool(net.conv_head(x)).reshape(-1, net.conv_head.out_channels),
    "activation": lambda net, x: nn.functional.leaky_relu(net.fc(x.mean((2, 3)))),
}
REFUSED: dict[str, tuple[Callable[[Ending, Tensor], Tensor], str]] = {
    "two heads": (lambda net, x: net.fc(x.mean((2, 3))) + net.second(x.mean((2, 3))), "stands between"),
    "wide": (lambda net, x: net.wide(x).mean((2, 3)), "is none of 1 x 1"),
    "twice": (lambda net, x: net.fc(net.hidden(x.mean((2, 3))) + net.fc(x.mean((2, 3))).sum()), "used elsewhere"),
}


def written(net: nn.Module, folder: Path, *, folded: bool = False) -> Path:
    mode = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
    torch.onnx.export(
        net,
        (torch.zeros(2, 3, SIZE, SIZE),),
        folder / "model.onnx",
        dynamo=False,
        training=mode,
        do_constant_folding=folded,
        input_names=["images"],
        dynamic_axes={"images": {0: "n"}},
    )
    return folder / "model.onnx"


def loaded(path: Path) -> TrainedModel:
    return load_model(str(path), None, NEW, NOTHING_SAID, PassRunner(), new_head=True)


def made(end: Callable[[Ending, Tensor], Tensor], *, bias: bool = True) -> nn.Module:
    torch.manual_seed(0)
    return Ending(end, bias=bias).eval()


@pytest.mark.parametrize("folded", [False, True], ids=["names kept", "folded"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("name", ENDINGS)
def test_it_is_the_head_of_the_module(tmp_path: Path, name: str, bias: bool, folded: bool) -> None:
    """The same numbers, so the same logits; only its parameters are fresh."""
    net = made(ENDINGS[name], bias=bias)
    model = loaded(written(net, tmp_path, folded=folded))
    images = torch.randn(3, 3, SIZE, SIZE)
    expected_names = replace_head(net, NEW, "m", images)
    assert len(model.fresh) == len(expected_names)
    assert set(model.fresh) <= model.forward.weights
    assert model.classes == NEW
    with torch.no_grad():
        expected = net(images).numpy()
    np.testing.assert_allclose(Session.of(model.forward.model).run(images.numpy()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", REFUSED)
def test_where_no_layer_gives_the_logits(tmp_path: Path, name: str) -> None:
    end, said = REFUSED[name]
    path = written(made(end), tmp_path)
    with pytest.raises(TbftError, match="so there is no head to replace") as refused:
        loaded(path)
    assert said in refused.value.message
    assert "package.module:factory" in refused.value.hint


@pytest.mark.parametrize("name", ["linear", "convolution and a shape"])
def test_it_is_trained(tmp_path: Path, name: str) -> None:
    """The export compares a step with PyTorch; the file stays as it is."""
    path = written(made(ENDINGS[name]), tmp_path)
    before = path.read_bytes()
    options = ExportOptions(str(path), method="bias-only", new_head=True, classes=tuple("abcdefg"))
    (plan,) = export_bundle(options, tmp_path / "bundle").manifest.plans
    assert {7} <= {parameter.shape[0] for parameter in plan.parameters if len(parameter.shape) > 1}
    assert onnx.load(tmp_path / "bundle" / "predict.onnx", load_external_data=False).graph.output[0].name == "logits"
    assert path.read_bytes() == before
