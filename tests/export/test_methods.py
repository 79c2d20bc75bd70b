"""Each method trains what it says, by gradients that are PyTorch's, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pytest

from support.exports import forward_of
from tbft_artifacts.errors import TbftError
from tbft_export.methods.method import MethodOptions, Network, TrainingPlan
from tbft_export.methods.registry import method, method_names, plan_training


@cache
def network(name: str = "tiny_models:resnet18_like") -> Network:
    return Network(forward_of(name))


def plan(name: str, **options: object) -> TrainingPlan:
    (only,) = plan_training(name, network(), MethodOptions(**options))  # type: ignore[arg-type]
    return only


def refusal(name: str, **options: object) -> TbftError:
    with pytest.raises(TbftError) as caught:
        plan_training(name, network(), MethodOptions(**options))  # type: ignore[arg-type]
    return caught.value


def roles() -> Mapping[str, str]:
    """What each parameter of the network is, by the shape of its name."""
    kinds = {"weight": "scale", "bias": "shift"}
    return {
        name: kinds[name.rpartition(".")[2]] if "bn" in name or "downsample.1" in name else name.rpartition(".")[2]
        for name in network().parameters
    }


def test_bn_only_trains_scale_and_shift_of_every_norm() -> None:
    trained = plan("bn-only").parameters
    assert trained == tuple(name for name, role in roles().items() if role in ("scale", "shift"))


def test_bias_only_trains_what_is_added() -> None:
    trained = plan("bias-only").parameters
    assert trained == tuple(name for name, role in roles().items() if role in ("bias", "shift"))
    assert "fc.bias" in trained


def test_last_layer_is_the_head_and_full_is_everything() -> None:
    assert plan("last-layer").parameters == ("fc.weight", "fc.bias")
    assert plan("full").parameters == network().parameters


def test_small_parts_are_named_by_the_modules_that_hold_them() -> None:
    assert plan("bias-only").blocks == ("bn1", "layer1", "layer2", "layer3", "fc")


def test_fresh_parameters_are_trained_whatever_the_method() -> None:
    """A head that nobody trained yet answers by chance."""
    fresh = Network(network().forward, fresh=("fc.weight", "fc.bias"))
    for options, name in ((MethodOptions(drift="input"), "tbft"), (MethodOptions(), "bn-only")):
        (found,) = plan_training(name, fresh, options)
        (without,) = plan_training(name, network(), options)
        assert set(found.parameters) == {*without.parameters, "fc.weight", "fc.bias"}
        assert found.blocks == (*without.blocks, "fc")


def test_options_of_other_methods_are_refused_by_their_flag() -> None:
    assert "--drift means nothing to --method bn-only" in refusal("bn-only", drift="input").message
    assert "--block" in refusal("full", blocks=("layer1",)).message
    assert "--top-blocks" in refusal("tbft", drift="full", top_blocks=2).message


def test_target_blocks_need_a_drift() -> None:
    assert "--drift input" in (refusal("tbft").hint or "")


def test_an_unknown_method_is_told_the_known_ones() -> None:
    error = refusal("guess")
    assert all(name in (error.hint or "") for name in method_names())


def test_a_name_is_taken_once() -> None:
    assert "full" in method_names()
    with pytest.raises(ValueError, match="already"):
        method("full")(lambda _network, _options: ())
