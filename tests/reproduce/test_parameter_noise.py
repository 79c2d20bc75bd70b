"""Noise on the parameters of one block, as in the paper's motivation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.blocks import MODULES, PaperBlock
from tbft_edge.reproduce.pytorch.parameter_noise import NOISE, with_noise
from tbft_export.sources.resnet26 import ResNet26


@pytest.fixture(scope="module")
def network() -> ResNet26:
    return ResNet26()


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


@pytest.mark.parametrize("block", list(NOISE))
def test_every_parameter_of_the_block_and_nothing_else(network: ResNet26, block: PaperBlock) -> None:
    """Neither other blocks nor running statistics, and the state that was given stays as it was."""
    state = network.state_dict()
    before = {name: value.clone() for name, value in state.items()}
    noisy = with_noise(state, block, NOISE[block], seed=3)
    inside = {name for name, _ in network.named_parameters() if name.partition(".")[0] in MODULES[block]}
    assert changed(before, noisy) == inside
    assert changed(before, state) == set()
    assert all(value.dtype == before[name].dtype for name, value in noisy.items())
    noise = torch.cat([(noisy[name] - before[name]).flatten() for name in inside])
    # Within five standard errors of the mean and of the standard deviation of so many draws.
    error = NOISE[block] / math.sqrt(len(noise))
    assert abs(noise.mean()) < 5 * error
    assert abs(noise.std() - NOISE[block]) < 5 * error


def test_the_seed_decides_and_the_order_of_tensors_does_not(network: ResNet26) -> None:
    """.pth keeps the order of the network, .safetensors sorts: both have to give the same disturbed network."""
    state = network.state_dict()
    noisy = with_noise(state, "block2", 0.15, seed=0)
    again = with_noise(dict(sorted(state.items(), reverse=True)), "block2", 0.15, seed=0)
    assert changed(noisy, again) == set()
    assert changed(noisy, with_noise(state, "block2", 0.15, seed=1)) != set()


def test_a_network_without_the_block_is_refused() -> None:
    with pytest.raises(TbftError, match="no block 'layer2'") as refused:
        with_noise({"conv1.weight": torch.zeros(1)}, "block2", 0.15, seed=0)
    assert "conv1" in refused.value.hint
