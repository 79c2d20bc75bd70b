"""What a selection of layers and channels saw and decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from tbft_artifacts.structs import Count, Large, Part, Seed, Some

# What kept a layer from more channels. depth: the compute budget, for the backward pass down to the layer alone.
Limit = Literal["update", "compute", "depth"]


class LayerChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One layer, named by its weight, and which of its output channels are trained.

    `potential` is the Fisher information of all its channels together, `score` that against what the layer costs.
    `depth` is the plan that reaches it with the shortest backward pass. `channels` are trained, ascending, of
    `informative` ones whose Fisher information is above 0, of `size` in all. `limit` says which budget kept it from
    more, None if none did.
    """

    weight: str
    depth: str
    potential: float
    score: float
    channels: tuple[Count, ...]
    informative: Count
    size: Some
    limit: Limit | None


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The layers and channels that a run trains, and why.

    `update_bytes` of `update_budget` are taken by trained values, their gradients and the optimizer's state. A step's
    backward pass takes `compute` of full fine-tuning's, where `compute_budget` was allowed (both 0 to 1). `values` is
    how many numbers are trained. `layers` are in the order of their scores. `samples` labelled images were looked at,
    chosen by `seed`, which took `seconds` from the first graph to the decision.
    """

    plan: str
    update_budget: Large
    update_bytes: Large
    compute_budget: Part
    compute: float
    values: Large
    layers: tuple[LayerChoice, ...]
    samples: Count
    seed: Seed
    seconds: float

    @property
    def channels(self) -> dict[str, Sequence[int]]:
        """The chosen channels of each layer that has any, by its weight."""
        return {layer.weight: layer.channels for layer in self.layers if layer.channels}
