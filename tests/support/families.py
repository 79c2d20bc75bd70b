"""A small network of each family of classifiers, of which only the structure matters. Host only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from support.common_nets import Branches, Seeded, conv_norm_relu, head
from support.tiny_models import PostActivationBlock

CLASSES = 5
TOKENS = 16
WIDTH = 12


def named(**parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(parts))


class Shortcut(nn.Module):
    """x + f(x), the branch with a factor per channel, as ConvNeXt and CaiT have it."""

    def __init__(self, *branch: nn.Module, scale: tuple[int, ...] = (1,)) -> None:
        super().__init__()
        self.branch = nn.Sequential(*branch)
        self.gamma = nn.Parameter(torch.full(scale, 0.5))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gamma * self.branch(x)


class Attention(nn.Module):
    """One head."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        out: Tensor = self.proj((q @ k.transpose(1, 2) / WIDTH**0.5).softmax(-1) @ v)
        return out


class Encoder(nn.Module):
    """A transformer's block: attention, then a perceptron, each with a norm before it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attn = Attention()
        self.norm2 = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 24), nn.GELU(), nn.Linear(24, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Mixing(nn.Module):
    """A mixer's block: a perceptron across tokens, then one across features."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.tokens = nn.Linear(TOKENS, TOKENS)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.features = nn.Sequential(nn.Linear(WIDTH, 24), nn.ReLU(), nn.Linear(24, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.features(self.norm2(x))


class Patched(nn.Module):
    """Patches as tokens; with a class token that the head reads, or the mean of all."""

    def __init__(self, block: Callable[[], nn.Module], depth: int, *, class_token: bool) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, WIDTH, 8, 8)
        self.cls_token = nn.Parameter(torch.ones(1, 1, WIDTH)) if class_token else None
        self.pos_embed = nn.Parameter(torch.ones(1, TOKENS + class_token, WIDTH))
        self.blocks = nn.Sequential(*[block() for _ in range(depth)])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        if self.cls_token is not None:
            x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1)
        x = self.norm(self.blocks(x + self.pos_embed))
        logits: Tensor = self.head(x[:, 0] if self.cls_token is not None else x.mean(1))
        return logits


class TwoHeads(nn.Module):
    """The mean of what two linear layers say, as distilled networks have it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_norm_relu(3, 8, 3, 2)
        self.stages = nn.Sequential(PostActivationBlock(8, 8, 1), PostActivationBlock(8, 12, 2))
        self.head = nn.Linear(12, CLASSES)
        self.head_dist = nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.adaptive_avg_pool2d(self.stages(self.stem(x)), 1).flatten(1)
        logits: Tensor = (self.head(x) + self.head_dist(x)) / 2
        return logits


def _rep(inputs: int, outputs: int, stride: int) -> nn.Module:
    """RepVGG's block: branches that are summed, also in the stem."""
    wide, narrow = (nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2) for kernel in (3, 1))
    return nn.Sequential(Branches(wide, narrow, add=True), nn.ReLU())


def _separable(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(*conv_norm_relu(inputs, inputs, 3, stride, inputs), *conv_norm_relu(inputs, outputs, 1))


def _next_stage(inputs: int, outputs: int) -> nn.Sequential:
    """ConvNeXt's: a norm and a strided convolution, then blocks."""
    blocks = (
        Shortcut(
            nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs),
            nn.Conv2d(outputs, 2 * outputs, 1),
            nn.GELU(),
            nn.Conv2d(2 * outputs, outputs, 1),
            scale=(outputs, 1, 1),
        )
        for _ in range(2)
    )
    down = [nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 2, 2)] if inputs != outputs else [nn.Identity()]
    return named(downsample=nn.Sequential(*down), blocks=nn.Sequential(*blocks))


vgg = Seeded(
    lambda: named(
        features=nn.Sequential(
            *(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        ),
        flat=nn.Flatten(),
        classifier=nn.Sequential(
            *(nn.Linear(128, 16), nn.ReLU(), nn.Dropout()),
            *(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, CLASSES)),
        ),
    )
)
deep_stem = Seeded(
    lambda: named(
        conv1=nn.Sequential(*conv_norm_relu(3, 4, 3, 2), *conv_norm_relu(4, 4), nn.Conv2d(4, 8, 3, padding=1)),
        bn1=nn.BatchNorm2d(8),
        relu=nn.ReLU(),
        layer1=nn.Sequential(PostActivationBlock(8, 8, 1), PostActivationBlock(8, 8, 1)),
        layer2=nn.Sequential(PostActivationBlock(8, 12, 2)),
        layer3=nn.Sequential(PostActivationBlock(12, 16, 2)),
        head=head(16),
    )
)
dilated = Seeded(
    lambda: named(
        conv1=conv_norm_relu(3, 4),
        layer1=nn.Sequential(PostActivationBlock(4, 4, 1), PostActivationBlock(4, 4, 1)),
        layer2=nn.Sequential(PostActivationBlock(4, 8, 2), PostActivationBlock(8, 8, 1)),
        layer3=nn.Sequential(PostActivationBlock(8, 16, 1), PostActivationBlock(16, 16, 1)),
        head=head(16),
    )
)
rep_vgg = Seeded(
    lambda: named(
        stem=_rep(3, 4, 2),
        stages=nn.Sequential(
            nn.Sequential(_rep(4, 6, 2), _rep(6, 6, 1)), nn.Sequential(_rep(6, 8, 2)), nn.Sequential(_rep(8, 8, 2))
        ),
        head=head(8),
    )
)
vovnet = Seeded(
    lambda: named(
        stem=nn.Sequential(conv_norm_relu(3, 4, 3, 2), _separable(4, 4, 1), _separable(4, 4, 2)),
        stages=nn.Sequential(
            nn.Sequential(*[Branches(*[_separable(inputs, 4, 1) for _ in range(2)]) for inputs in (4, 8)]),
            nn.Sequential(Branches(*[_separable(8, 4, 2) for _ in range(4)])),
        ),
        head=head(16),
    )
)
mobilenet_v1 = Seeded(
    lambda: named(
        conv1=conv_norm_relu(3, 4, 3, 2),
        blocks=nn.Sequential(
            *(_separable(4, 6, 1), _separable(6, 8, 2), _separable(8, 8, 1)),
            *(_separable(8, 12, 2), _separable(12, 12, 1)),
        ),
        conv5=conv_norm_relu(12, 24, 1),
        head=head(24),
    )
)
conv_next = Seeded(
    lambda: named(
        stem=nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.BatchNorm2d(6)),
        stages=nn.Sequential(_next_stage(6, 6), _next_stage(6, 8), _next_stage(8, 12)),
        norm=nn.BatchNorm2d(12),
        head=head(12),
    )
)
transformer = Seeded(lambda: Patched(Encoder, 5, class_token=True))
mixer = Seeded(lambda: Patched(Mixing, 4, class_token=False))
two_heads = Seeded(TwoHeads)
perceptron = Seeded(
    lambda: nn.Sequential(
        nn.Flatten(),
        *[layer for width in (3072, 16, 16, 16) for layer in (nn.Linear(width, 16), nn.ReLU())],
        nn.Linear(16, CLASSES),
    )
)
pooled_end = Seeded(
    lambda: named(
        conv1=conv_norm_relu(3, 4, 3, 2),
        conv2=conv_norm_relu(4, 6, 3, 2),
        conv3=nn.Sequential(nn.AdaptiveAvgPool2d(5), *conv_norm_relu(6, 8)),
        head=nn.Sequential(nn.Conv2d(8, CLASSES, 1), nn.AdaptiveAvgPool2d(3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )
)
