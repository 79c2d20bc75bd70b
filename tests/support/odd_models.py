"""Networks that are put together in unusual ways: wrapped, joined by Concat, with biases. Host only."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from support import tiny_models
from support.tiny_models import PostActivationBlock

IMAGE_SIZE = 32
CORNER = 15
CLASSES = 5


class Wrapped(nn.Module):
    """A network inside a module of the user."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = tiny_models.resnet18_like()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.backbone(x)
        return logits


def wrapped() -> nn.Module:
    return Wrapped().eval()


def hugging_face_like() -> nn.Module:
    """The module names of `transformers.ResNetForImageClassification`."""
    torch.manual_seed(1)

    def conv(inputs: int, outputs: int, kernel: int, stride: int) -> OrderedDict[str, nn.Module]:
        return OrderedDict(
            convolution=nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            normalization=nn.BatchNorm2d(outputs),
            activation=nn.ReLU(),
        )

    def stage(inputs: int, outputs: int, stride: int) -> nn.Module:
        layers = [
            nn.Sequential(OrderedDict(layer=nn.Sequential(nn.Sequential(conv(channels, outputs, 3, step)))))
            for channels, step in ((inputs, stride), (outputs, 1))
        ]
        return nn.Sequential(OrderedDict(layers=nn.Sequential(*layers)))

    embedder = nn.Sequential(OrderedDict(embedder=nn.Sequential(conv(3, 4, 3, 1))))
    stages = nn.Sequential(stage(4, 4, 1), stage(4, 6, 2), stage(6, 8, 2))
    encoder = nn.Sequential(OrderedDict(stages=stages))
    resnet = nn.Sequential(OrderedDict(embedder=embedder, encoder=encoder, pooler=nn.AdaptiveAvgPool2d(1)))
    head = nn.Sequential(nn.Flatten(), nn.Linear(8, CLASSES))
    return nn.Sequential(OrderedDict(resnet=resnet, classifier=head)).eval()


class Joined(nn.Module):
    """Two branches, joined along the channels, both behind one stem."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 1, 1)
        self.left = PostActivationBlock(4, 4, 2)
        self.right = PostActivationBlock(4, 6, 2)
        self.fc = nn.Linear(10, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv1(x))
        x = torch.cat([self.left(x), self.right(x)], dim=1)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def joined() -> nn.Module:
    torch.manual_seed(2)
    return Joined().eval()


def with_biases() -> nn.Module:
    """Convolutions with a bias ahead of batch norms: with batch statistics its exact gradient is zero."""
    torch.manual_seed(3)
    layers: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(3, 4, 3, 1, 1)),
        ("bn1", nn.BatchNorm2d(4)),
        ("relu", nn.ReLU()),
        ("drop", nn.Dropout(0.5)),
        ("layer1", PostActivationBlock(4, 4, 1)),
        ("layer2", PostActivationBlock(4, 6, 2)),
        ("pool", nn.AdaptiveAvgPool2d(1)),
        ("flat", nn.Flatten()),
        ("fc", nn.Linear(6, CLASSES)),
    ]
    return nn.Sequential(OrderedDict(layers)).eval()


def plain_chain() -> nn.Module:
    """No residual stages: only single convolutions."""
    torch.manual_seed(4)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES)
    ).eval()


class TwoOutputs(nn.Module):
    """Logits, and what could be some as well."""

    def __init__(self) -> None:
        super().__init__()
        self.net = plain_chain()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.net(x)
        return logits, logits.exp()


def two_outputs() -> nn.Module:
    return TwoOutputs().eval()


def feature_map() -> nn.Module:
    """No classifier: images to images."""
    return nn.Conv2d(3, 4, 3).eval()


def broken_shapes() -> nn.Module:
    """A head that does not fit what comes before it."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(7, CLASSES)).eval()


class ManyKinds(nn.Module):
    """Convolutions of every kind between those that Winograd's form suits; for images of an odd size, too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3)
        self.layer1 = PostActivationBlock(8, 8, 1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.dilated = nn.Conv2d(8, 10, 3, padding=2, dilation=2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.wide = nn.Conv2d(18, 12, 3, padding=(0, 1))
        self.avgpool = nn.AvgPool2d(3, 2)
        self.layer2 = PostActivationBlock(12, 12, 1)
        self.scale = nn.Parameter(torch.full((1, 12, 1, 1), 0.7))
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer1(torch.relu(self.conv1(x)))
        x = self.maxpool(torch.relu(torch.cat([self.grouped(x), self.dilated(x)], dim=1)))
        x = self.layer2(self.avgpool(torch.relu(self.wide(x)))) * self.scale
        logits: Tensor = self.fc((x - x.mean(1, keepdim=True)).mean((2, 3)))
        return logits


def many_kinds() -> nn.Module:
    torch.manual_seed(5)
    return ManyKinds().eval()


class Patches(nn.Module):
    """Looks at the four corners of each image: inside, the batch is four times that of the images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.layer1 = PostActivationBlock(8, 8, 1)
        self.layer2 = PostActivationBlock(8, 12, 1)
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        rows = (x[:, :, :CORNER], x[:, :, -CORNER:])
        x = torch.cat([side for row in rows for side in (row[..., :CORNER], row[..., -CORNER:])])
        x = self.layer2(self.layer1(torch.relu(self.conv1(x))))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits.reshape(4, -1, CLASSES).mean(0)


def patches() -> nn.Module:
    torch.manual_seed(6)
    return Patches().eval()


class Activated(nn.Module):
    """An activation of each kind, with inputs on both sides of every kink."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.gate = nn.Conv2d(8, 8, 1)
        self.scale = nn.Conv2d(8, 8, 1)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu6(10 * self.bn(self.conv1(x)))
        x = functional.hardswish(functional.relu(3 * self.conv2(x)) - 2)
        x = functional.hardswish(torch.relu(x))
        x = x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        x = functional.silu(x) * functional.hardsigmoid(9 * self.scale(x))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def activated() -> nn.Module:
    torch.manual_seed(7)
    return Activated().eval()


def uneven_pool() -> nn.Module:
    """Padding is left out of the mean at the border."""
    net = with_biases()
    assert isinstance(net, nn.Sequential)
    net[6] = nn.Sequential(nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.AdaptiveAvgPool2d(1))
    return net


def fixed_norms() -> nn.Module:
    """Batch norms without scale and shift, whose statistics are all they have."""
    torch.manual_seed(8)
    layers: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(3, 4, 3, bias=False)),
        ("bn1", nn.BatchNorm2d(4, affine=False)),
        ("relu", nn.ReLU()),
        ("pool", nn.AdaptiveAvgPool2d(1)),
        ("flat", nn.Flatten()),
        ("fc", nn.Linear(4, CLASSES)),
    ]
    return nn.Sequential(OrderedDict(layers)).eval()


def heavy_end() -> nn.Module:
    """The last convolution computes more than all before it."""
    torch.manual_seed(9)
    layers: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(3, 4, 3, padding=1)),
        ("relu1", nn.ReLU()),
        ("layer1", PostActivationBlock(4, 4, 1)),
        ("conv2", nn.Conv2d(4, 64, 3, padding=1)),
        ("relu2", nn.ReLU()),
        ("pool", nn.AdaptiveAvgPool2d(1)),
        ("flat", nn.Flatten()),
        ("fc", nn.Linear(64, CLASSES)),
    ]
    return nn.Sequential(OrderedDict(layers)).eval()


class UShaped(nn.Module):
    """Down and up again, with everything that networks do to the size of an image on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(3, 8, 3, 1, 1)
        self.down2 = nn.Conv2d(8, 12, 3, 2, 1)
        self.down3 = nn.Conv2d(12, 16, 3, 2, 1)
        self.up = nn.ConvTranspose2d(16, 12, 2, 2)
        self.join1 = nn.Conv2d(24, 12, 3, 1, 1, padding_mode="reflect")
        self.join2 = nn.Conv2d(20, 8, 3, 1, 1)
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        one = torch.relu(self.down1(x))
        two = torch.relu(self.down2(one))
        three = torch.relu(self.down3(two))
        x = torch.relu(self.join1(torch.cat([self.up(three), two], 1)))
        x = functional.interpolate(x, size=one.shape[2:], mode="bilinear", align_corners=False)
        x = torch.relu(self.join2(torch.cat([x, one], 1)))
        x = functional.pixel_shuffle(functional.interpolate(x, scale_factor=0.5, mode="nearest"), 2)
        x = torch.cat([x, x.flip(3), functional.adaptive_max_pool2d(x, 1).expand_as(x)], 1)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def u_shaped() -> nn.Module:
    torch.manual_seed(10)
    return UShaped().eval()
