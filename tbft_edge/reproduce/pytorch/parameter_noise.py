"""The paper's motivation: a block's parameters disturbed, so that exactly this block has to be trained again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from tbft_edge.reproduce.blocks import MODULES, PaperBlock
from tbft_export.blocks.names import select

# Standard deviations of the noise (EuroMLSys 2024, arXiv 2403.15905, section 2).
NOISE: dict[PaperBlock, float] = {"block1": 0.15, "block2": 0.15, "block3": 0.15, "fc": 4.8}

# Tensors of a state dict that are no parameters.
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def with_noise(state: Mapping[str, Tensor], block: PaperBlock, sigma: float, seed: int) -> dict[str, Tensor]:
    """A copy of the state dict `state` with noise from N(0, sigma) on every parameter of `block`.

    Running statistics stay as they are. The noise does not depend on the order of the tensors.
    Raises TbftError if `state` has nothing of the block.
    """
    parameters = sorted(name for name in state if not name.endswith(_STATISTICS))
    known = tuple(dict.fromkeys(name.partition(".")[0] for name in parameters))
    rng = np.random.default_rng(seed)
    noisy = {name: value.clone() for name, value in state.items()}
    for name in select(parameters, MODULES[block], known):
        noise = rng.normal(0, sigma, tuple(state[name].shape))
        noisy[name] += torch.from_numpy(noise).to(noisy[name].dtype)
    return noisy
