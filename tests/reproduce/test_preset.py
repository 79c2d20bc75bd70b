"""The presets ask for the cells that the tables need, and give each engine the protocol that it can follow."""

from __future__ import annotations

from collections import Counter

import pytest

from support.counting_engine import make_case
from tbft_edge.reproduce.blocks import BLOCKS
from tbft_edge.reproduce.preset import Extent, protocol_of, trials
from tbft_edge.reproduce.trial import Trial

CASES = [make_case("gaussian_noise", 0), make_case("contrast", 1), make_case("fog", 2)]


def test_every_case_is_trained_by_default_and_only_some_by_policy_and_in_both_engines() -> None:
    extent = Extent((10,), 1, policies=("contrast",), engines=("gaussian_noise",), target_only=True)
    found = Counter((trial.case, trial.engine, trial.recipe) for trial in trials(CASES, extent))
    for case in ("gaussian_noise", "contrast", "fog"):
        assert found[case, "device", "none"] == found[case, "device", "statistics"] == 1
        assert found[case, "device", "default"] == len(BLOCKS)
        assert found[case, "device", "frozen"] == (len(BLOCKS) if case == "contrast" else 0)
        assert found[case, "pytorch", "paper"] == found[case, "device", "paper"] == 2 * (case == "gaussian_noise")


def test_the_whole_protocol_has_every_size_and_repeat() -> None:
    planned = list(trials(CASES, Extent((10, 20, 30), 4)))
    assert len(planned) == len(set(planned)) == 3 * 3 * 4 * (2 + 4 * len(BLOCKS) + 2 * len(BLOCKS))


@pytest.mark.parametrize("engine", ["device", "pytorch"])
def test_both_engines_of_the_quick_motivation_see_the_same_images(engine: str) -> None:
    trial = Trial(case="noise", engine=engine, recipe="paper", block="block2", size=10)  # type: ignore[arg-type]
    protocol = protocol_of("motivation", "quick", trial)
    assert protocol is not None
    assert not protocol.augment
    assert (protocol.epochs, protocol.patience) == (10, 5)


def test_a_repeat_changes_the_seed_alone() -> None:
    first, second = (
        protocol_of(
            "cifar10-c",
            "paper",
            Trial(case="fog", engine="pytorch", recipe="paper", block="fc", size=10, repeat=repeat),
        )
        for repeat in (0, 1)
    )
    assert first is not None
    assert second is not None
    assert (first.seed, second.seed) == (0, 1)
    assert (first.lr, first.batch_size, first.weight_decay) == (1e-2, 128, 5e-4)


def test_the_devices_own_defaults_have_no_protocol() -> None:
    trial = Trial(case="fog", engine="device", recipe="default", block="fc", size=10)
    assert protocol_of("cifar10-c", "quick", trial) is None
