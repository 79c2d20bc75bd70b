"""What fine-tuning in PyTorch touches, keeps and refuses."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from support import tiny_models
from support.pictures import Pictures, coloured_pictures
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BatchNormPolicy
from tbft_edge.reproduce.blocks import BLOCKS, MODULES, PaperBlock
from tbft_edge.reproduce.protocol import Protocol
from tbft_edge.reproduce.pytorch.batch_norm import adapt_statistics
from tbft_edge.reproduce.pytorch.best_state import BestState
from tbft_edge.reproduce.pytorch.evaluation import evaluate
from tbft_edge.reproduce.pytorch.fine_tuning import fine_tune
from tbft_edge.reproduce.pytorch.result import EpochEnd, PyTorchResult

ONE_STEP = Protocol(optimizer="sgd", lr=0.01, weight_decay=5e-4, batch_size=8, epochs=1, patience=1)


def run(module: nn.Module, blocks: tuple[str, ...], protocol: Protocol, size: int = 8, count: int = 8) -> PyTorchResult:
    data = coloured_pictures(count, seed=0, size=size)
    return fine_tune(module, blocks, protocol, data, data, data, threads=1)


def copy_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(before: dict[str, Tensor], module: nn.Module) -> set[str]:
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("block", BLOCKS)
def test_only_the_block_is_trained(block: PaperBlock) -> None:
    """With fixed statistics nothing else moves; scale and shift of a norm belong to the block it stands in."""
    module = tiny_models.resnet26()
    before = copy_of(module)
    result = run(module, MODULES[block], msgspec.structs.replace(ONE_STEP, batch_norm="frozen"), size=32)
    assert result.best_epoch == 1  # Otherwise the best state is the one before.
    inside = {name for name, _ in module.named_parameters() if name.partition(".")[0] in MODULES[block]}
    assert changed(before, module) == inside


@pytest.mark.parametrize(("policy", "moves"), [("frozen", False), ("batch", True), ("adapt", True)])
def test_statistics_follow_the_policy(policy: BatchNormPolicy, *, moves: bool) -> None:
    """Batch statistics move the averages of frozen blocks, too, as the authors' code does."""
    module = tiny_models.tiny()
    before = copy_of(module)
    result = run(module, ("fc",), msgspec.structs.replace(ONE_STEP, batch_norm=policy, lr=0.0, epochs=3))
    # A learning rate of 0: only statistics can move, and the starting state is the best unless they help.
    statistics = {name for name in before if name.endswith(("running_mean", "running_var"))}
    kept = changed(before, module) - {name for name in before if name.endswith("num_batches_tracked")}
    assert kept == (statistics if moves else set())
    assert (result.best_epoch > 0) == (policy == "batch")


def test_a_worse_state_is_not_kept() -> None:
    """The state before training is epoch 0: what training spoils is given back, and patience counts from there."""
    module = tiny_models.tiny()
    before = copy_of(module)
    protocol = msgspec.structs.replace(ONE_STEP, lr=30.0, epochs=9, patience=2, batch_norm="frozen")
    result = run(module, ("fc",), protocol)
    assert (result.best_epoch, result.epochs) == (0, 2)
    assert min(result.validation_loss) > result.starting_loss
    assert changed(before, module) == set()
    assert result.accuracy == result.accuracy_before


@given(
    losses=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), max_size=12),
    start=st.sampled_from([0.2, 0.3]),
    patience=st.integers(1, 4),
)
def test_the_first_of_equal_losses_is_best(losses: list[float], start: float, patience: int) -> None:
    """The device's rule, written plainly: the lowest loss, the earliest of ties, and so long without a better one."""
    layer = nn.Linear(1, 1)
    best = BestState(layer, start)
    seen = [start]
    for epoch, loss in enumerate(losses, start=1):
        assert best.is_overdue(epoch - 1, patience) == (epoch - 1 - seen.index(min(seen)) >= patience)
        nn.init.constant_(layer.weight, epoch)
        assert best.offer(epoch, loss) == (loss < min(seen))
        seen.append(loss)
    assert best.epoch == seen.index(min(seen))
    best.restore()
    assert not best.epoch or layer.weight.item() == best.epoch


def test_epochs_are_told_as_they_end() -> None:
    """A run of an hour shows where it is, and what it tells is what it returns."""
    told: list[EpochEnd] = []
    data = coloured_pictures(12, seed=0)
    protocol = msgspec.structs.replace(ONE_STEP, epochs=3, patience=3)
    result = fine_tune(tiny_models.tiny(), ("fc",), protocol, data, data, data, threads=1, on_epoch=told.append)
    assert [epoch.number for epoch in told] == [1, 2, 3]
    assert tuple(epoch.validation.loss for epoch in told) == result.validation_loss
    assert max(epoch.number for epoch in told if epoch.is_best) == result.best_epoch
    assert result.step_seconds is not None
    assert 0 < result.step_seconds < result.train_seconds


def test_the_number_of_threads_is_given_back() -> None:
    before = torch.get_num_threads()
    run(tiny_models.tiny(), ("fc",), ONE_STEP)
    assert torch.get_num_threads() == before


def test_after_divergence_the_best_state_counts() -> None:
    """As on the device: a trial that runs away is an outcome, and does not end an experiment of hours."""
    module = tiny_models.tiny()
    before = copy_of(module)
    result = run(module, ("layer2", "fc"), msgspec.structs.replace(ONE_STEP, lr=1e30, epochs=9, patience=9))
    assert result.diverged
    assert result.epochs < 9
    assert result.best_epoch == 0
    assert changed(before, module) == set()
    assert result.accuracy == result.accuracy_before
    assert not run(tiny_models.tiny(), ("fc",), ONE_STEP).diverged


def test_an_unknown_block_is_a_clear_error() -> None:
    with pytest.raises(TbftError, match="no block 'layer7'"):
        run(tiny_models.tiny(), ("layer7",), ONE_STEP)


def test_nothing_to_evaluate_or_to_re_estimate_is_a_clear_error() -> None:
    empty = Pictures(np.zeros((0, 8, 8, 3), np.uint8), np.zeros(0, np.int64))
    with pytest.raises(TbftError, match="no image"):
        evaluate(tiny_models.tiny(), empty)
    with pytest.raises(TbftError, match="no batch norm"):
        adapt_statistics(nn.Linear(1, 1), np.zeros((4, 8, 8, 3), np.uint8), batch_size=2, seed=0)
