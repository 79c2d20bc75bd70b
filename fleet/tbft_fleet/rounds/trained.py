"""What all devices of a merge train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.manifest import BatchNorm
from tbft_artifacts.plan import BatchNormPolicy, Plan
from tbft_fleet.files.round import NormsPolicy
from tbft_fleet.host.folder import Fleet
from tbft_fleet.merging.statistics import default_norms


@dataclass(frozen=True)
class Trained:
    """`parameters` and the statistics of `norms`, from `base`, by name."""

    parameters: Sequence[str]
    norms: Sequence[BatchNorm]
    base: Mapping[str, np.ndarray]

    @property
    def statistics(self) -> tuple[str, ...]:
        return tuple(name for norm in self.norms for name in (norm.mean, norm.variance))

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.parameters, *self.statistics)


def trained(bundle: Bundle, plan: Plan, weights: Mapping[str, np.ndarray]) -> Trained:
    """What `plan` of a bundle trains where it begins with `weights`."""
    parameters = [*(each.name for each in plan.parameters), *(layer.weight for layer in plan.sparse_layers)]
    found = Trained(parameters, bundle.manifest.moving_norms(plan), weights)
    return Trained(parameters, found.norms, {name: weights[name] for name in found.names})


def norms_of(fleet: Fleet, plan: str, batch_norm: BatchNormPolicy) -> NormsPolicy:
    """What becomes of statistics in a merge, unless somebody says other: as the settings have it, or by the policy."""
    return fleet.settings.norms.get(plan) or default_norms(batch_norm)
