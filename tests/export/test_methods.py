"""Each method trains what it says, by gradients that are PyTorch's, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from typing import get_type_hints

import pytest
from typer.main import get_command

from support.exports import forward_of
from tbft_artifacts.errors import TbftError
from tbft_edge.commands.export import command
from tbft_edge.flags import flags
from tbft_edge.main import app
from tbft_export.compile.plan import compile_plan
from tbft_export.compile.request import PlanRequest
from tbft_export.compile.update import optimizer
from tbft_export.methods import registry
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import method, method_names, plan_training
from tbft_export.pipeline import PassRunner
from tbft_export.sources.given_shape import GivenShape
from tbft_export.sources.load import load_model
from tbft_export.training_plan import TrainingPlan


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


def test_options_of_other_methods_are_refused_by_their_name() -> None:
    assert "`drift` means nothing to `method` bn-only" in refusal("bn-only", drift="input").message
    assert "`blocks`" in refusal("full", blocks=("layer1",)).message
    assert "`top_blocks`" in refusal("tbft", drift="full", top_blocks=2).message


def test_every_option_of_a_method_has_a_flag() -> None:
    """Its name is put into that message, which the command prints with its flag."""
    assert {field.name for field in fields(MethodOptions)} - flags(get_command(app)).keys() == set()


def test_norms_without_scale_and_shift_cannot_be_trained() -> None:
    with pytest.raises(TbftError, match="no batch norm to train"):
        plan_training("bn-only", network("odd_models:fixed_norms"), MethodOptions())


def test_a_plan_that_trains_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the method: there would be no gradient to compute."""
    nothing = replace(plan("full"), parameters=())
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    method("nothing")(lambda _network, _options: (nothing,))
    assert "trains nothing" in refusal("nothing").message
    fresh = Network(network().forward, fresh=("fc.weight", "fc.bias"))
    (found,) = plan_training("nothing", fresh, MethodOptions())
    assert found.parameters == ("fc.weight", "fc.bias")


def test_target_blocks_need_a_drift() -> None:
    assert "`drift` input" in (refusal("tbft").hint or "")


def test_an_unknown_method_is_told_the_known_ones() -> None:
    error = refusal("guess")
    assert all(name in (error.hint or "") for name in method_names())


def test_the_help_names_every_method() -> None:
    (option,) = get_type_hints(command, include_extras=True)["method"].__metadata__
    assert set(method_names()) <= set(re.findall(r"[a-z-]+", option.help))


def test_a_name_is_taken_once() -> None:
    assert "full" in method_names()
    with pytest.raises(ValueError, match="already"):
        method("full")(lambda _network, _options: ())


# Networks without residual blocks


@pytest.mark.parametrize("name", ["mobiletl", "tinytrain"])
def test_what_counts_residual_blocks_says_that_there_are_none(name: str) -> None:
    """In one line, with a way on."""
    with pytest.raises(TbftError, match=r"the model has (no|0) residual blocks") as caught:
        plan_training(name, network("families:vgg"), MethodOptions(top_blocks=1))
    assert "lower" not in caught.value.hint


# MobileTL


@pytest.mark.parametrize("name", ["mobilenet_v2_like", "mobilenet_v3_like"])
def test_mobiletl_trains_only_the_shift_of_inner_norms(name: str) -> None:
    """In the last two blocks and behind them: convolutions, every shift, and the scale of each block's last norm."""
    mobile = network(f"mobile_models:{name}")
    (found,) = plan_training("mobiletl", mobile, MethodOptions(top_blocks=2))
    assert found.masked
    assert found.blocks[:2] == mobile.blocks.residual_blocks[-2:]
    assert found.blocks[-1:] == mobile.blocks.rear
    behind = mobile.inside(found.blocks)
    scales = [norm.inputs[1].name or "" for norm in mobile.norms if norm.inputs[1] is not None]
    last = [
        max((each for each in scales if each.startswith(f"{block}.")), key=scales.index) for block in found.blocks[:2]
    ]
    assert set(found.parameters) == {each for each in behind if each not in scales} | set(last)


def test_mobiletl_of_a_residual_network_has_no_norm_without_an_activation_in_its_blocks() -> None:
    """A pre-activation block ends with a convolution."""
    (found,) = plan_training("mobiletl", network("tiny_models:resnet26"), MethodOptions(top_blocks=1))
    assert [each for each in found.parameters if "bn" in each] == ["layer3.3.bn1.bias", "layer3.3.bn2.bias", "bn.bias"]


def test_mobiletl_refuses_what_it_cannot_do() -> None:
    mobile = network("mobile_models:mobilenet_v2_like")
    for options, words in (
        (MethodOptions(top_blocks=99), "residual blocks, not 99"),
        (MethodOptions(batch_norm="batch"), "`batch_norm` batch"),
        (MethodOptions(batch_norm="block"), "`batch_norm` block"),
    ):
        with pytest.raises(TbftError, match=words):
            plan_training("mobiletl", mobile, options)


@pytest.mark.long
@pytest.mark.parametrize(("name", "kept"), [("full_mobilenet_v2", 0.55), ("full_mobilenet_v3", 0.48)])
def test_mobiletl_keeps_about_half_for_the_backward_pass(name: str, kept: float) -> None:
    """Against the same blocks with every parameter trained and exact gradients (the paper: 46 % and 53 %)."""
    mobile = Network(
        load_model(f"support.mobile_models:{name}", None, None, GivenShape((96, 96)), PassRunner()).forward
    )
    (lean,) = plan_training("mobiletl", mobile, MethodOptions(top_blocks=5))
    vanilla = replace(lean, masked=False, parameters=mobile.inside(lean.blocks))
    few, many = (
        compile_plan(mobile.forward, PlanRequest(each, optimizer("sgd", 0.01, 0.9, None), 32), PassRunner()).plan
        for each in (lean, vanilla)
    )
    assert few.cost.activation_bytes <= kept * many.cost.activation_bytes
    assert few.gradient_memory[0].image_bytes <= 0.55 * many.gradient_memory[0].image_bytes
