"""A network and its exits, trained on images of the source domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx_ir as ir
import torch

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import LOGITS
from tbft_export.exits.attach import FEATURES, EarlyExit, attach_exits, pooled_model
from tbft_export.exits.depths import Depth
from tbft_export.exits.heads import Head, OwnHead, fit_scaling, own_head, train_head
from tbft_export.graph.forward import IMAGES, ForwardModel
from tbft_export.graph.sessions import Session
from tbft_export.images import LabelledImages, batches

# With fewer images of a class, a head learns the images.
FEWEST_PER_CLASS = 10
# More take long and hardly make better heads.
MOST_IMAGES = 10_000


@dataclass(frozen=True)
class ExitNetwork:
    """A trained network, where exits stand in it, and their heads."""

    base: ForwardModel
    early: tuple[EarlyExit, ...]

    @cached_property
    def forward(self) -> ForwardModel:
        """Images -> `logits` (batch, E, classes) of all exits, as `attach_exits` gives it."""
        return attach_exits(self.base, self.early)

    @cached_property
    def own(self) -> OwnHead:
        """The model's own head."""
        return own_head(self.base)

    @property
    def heads(self) -> tuple[Head, ...]:
        """Those of all exits, in order; the last one is a copy of the model's own."""
        return (*(each.head for each in self.early), self.own.head)


def train_exits(forward: ForwardModel, depths: Sequence[Depth], images: LabelledImages) -> ExitNetwork:
    """Exits at `depths`, trained on `images` of the source domain; the network itself stays as it is.

    Each head learns the mean of an image's label and of the network's own answer to it, which says more than the
    label of images that look like another class. Raises TbftError for too few images.
    """
    own = own_head(forward)
    classes = len(own.head.bias)
    if len(images.labels) < FEWEST_PER_CLASS * classes:
        raise TbftError(
            f"{len(images.labels)} labelled images are too few to train exits for {classes} classes",
            f"give at least {FEWEST_PER_CLASS * classes} with `source`",
        )
    read = _run(pooled_model(forward, [depth.activation for depth in depths]), images)
    chosen = _chosen(len(images.labels))
    answers = torch.softmax(torch.from_numpy(read[LOGITS]).double(), dim=1).numpy()
    targets = (np.eye(classes)[images.labels[chosen]] + answers) / 2
    squared_length = float(np.square(read[FEATURES], dtype=np.float64).sum(axis=1).mean())
    early = []
    for number, depth in enumerate(depths):
        features = read[f"exits.{number}"]
        scaling = fit_scaling(features, squared_length)
        head = train_head((features - scaling.shift) * scaling.scale, targets)
        early.append(EarlyExit(depth, scaling, head))
    return ExitNetwork(forward, tuple(early))


def _chosen(images: int) -> np.ndarray:
    """Indices of those to train with: all, or always the same ones of many."""
    return np.sort(np.random.default_rng(0).permutation(images)[:MOST_IMAGES])


def _run(model: ir.Model, images: LabelledImages) -> dict[str, np.ndarray]:
    """Every output of a graph that takes images, for the images to train with."""
    session = Session.of(model)
    parts = [session.outputs({IMAGES: images.images(indices)}) for indices in batches(_chosen(len(images.labels)))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
