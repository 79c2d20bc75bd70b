"""A method of another package is a method like ours, and what is wrong with it is one line that names the package."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from support.exports import forward_of
from support.packages import lay_out, pyproject
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plugins import PluginError
from tbft_edge.commands.export_methods import METHODS
from tbft_edge.main import app
from tbft_export.methods import registry
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import method, method_names, plan_training

REAR = """
from tbft_export.methods.registry import method
from tbft_export.training_plan import TrainingPlan

@method("rear", "top_blocks")
def rear(network, options):
    '''The head, and as many of the last residual blocks as the user says.'''
    blocks = (*network.blocks.residual_blocks[-(options.top_blocks or 1):], *network.blocks.rear)
    return (
        TrainingPlan(
            method="rear", label="rear", drift=None, blocks=blocks,
            parameters=network.inside(blocks), policy="frozen", lr=0.01,
        ),
    )
"""
# What an author may get wrong in the code above: what stands there, what instead, and words of the error.
MISTAKES = {
    "another name": ('@method("rear"', '@method("front"', "it is registered by another name: 'front'"),
    "a name of ours": ('@method("rear"', '@method("full"', "there is a method full already"),
    "no such option": ('"top_blocks")', '"depth")', "MethodOptions has no depth"),
    "no function": (
        '@method("rear", "top_blocks")\ndef rear(',
        "rear = 3\ndef other(",
        "of type int, which brings no such method",
    ),
    "no plan": ("return (", "() or (", "'NoneType' object is not iterable"),
    "no plans": ("return (", "return () and (", "it returned no plan"),
    "something else": ("return (", "return 'ab' or (", "an object of type str, not a TrainingPlan"),
    "another method's": ('method="rear"', 'method="tbft"', "its plan is said to be by the method 'tbft'"),
    "a folder above": ('label="rear"', 'label="../rear"', "`$.label`"),
    "no such policy": ('policy="frozen"', 'policy="warm"', "warm"),
    "no parameter": ("network.inside(blocks)", "('a.weight',)", "trains 'a.weight', which is no parameter"),
    "an error": ("network.blocks.rear", "network.blocks.tail", "AttributeError"),
    "an exit": ("blocks = (", "raise SystemExit(0); (", "SystemExit"),
}
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Have a package with this code installed; what it registers is forgotten at the end."""
    method_names()
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))

    def install(code: str, entry: str = "rear_method:rear", name: str = "rear") -> None:
        place = tmp_path / "packages"
        lay_out(place, pyproject("rear-method", "1.2", methods={name: entry}), {"rear_method": code})
        monkeypatch.syspath_prepend(place)
        monkeypatch.delitem(sys.modules, "rear_method", raising=False)

    return install


@cache
def network() -> Network:
    return Network(forward_of("tiny_models:resnet18_like"))


def trained(**options: object) -> tuple[str, ...]:
    (plan,) = plan_training("rear", network(), MethodOptions(**options))  # type: ignore[arg-type]
    return plan.blocks


@pytest.mark.parametrize("entry", ["rear_method:rear", "rear_method"])
def test_it_plans_like_one_of_ours(install: Install, entry: str) -> None:
    """With the options that it takes, and the refusal of others; the entry point may name the module alone."""
    install(REAR, entry)
    assert trained() == (*network().blocks.residual_blocks[-1:], "fc")
    assert trained(top_blocks=2) == (*network().blocks.residual_blocks[-2:], "fc")
    with pytest.raises(TbftError, match="`drift` means nothing to `method` rear"):
        trained(drift="input")


def test_a_plain_function_takes_what_every_method_takes(install: Install) -> None:
    """It need not know our decorator."""
    install(REAR.replace("@method", "# "))
    assert trained(optimizer="adam", batch_norm="frozen") == (*network().blocks.residual_blocks[-1:], "fc")
    with pytest.raises(TbftError, match="`top_blocks` means nothing to `method` rear"):
        trained(top_blocks=2)


def _help() -> str:
    """Of export, pressed: a terminal breaks it at hyphens, too, wherever a line happens to end."""
    return _pressed(CliRunner().invoke(app, ["export", "--help"]).output)


def _pressed(words: str) -> str:
    return "".join(words.split())


def test_it_is_listed_without_being_imported(install: Install) -> None:
    """In the help and in the hint at a wrong name."""
    install("raise ValueError")
    assert "rear" in method_names()
    with pytest.raises(TbftError) as caught:
        plan_training("raer", network(), MethodOptions())
    assert ", rear, " in caught.value.hint
    for _ in range(2):  # Once each time.
        assert _help().count(_pressed(f"or {METHODS[-1]}. From other packages: rear (rear-method 1.2).")) == 1
    assert "rear_method" not in sys.modules


def test_a_name_of_ours_loads_nothing_of_others(install: Install) -> None:
    """Nor does a package change what a built-in name means; the help says that it is left out."""
    install("raise ValueError", name="full")
    (plan,) = plan_training("full", network(), MethodOptions())
    assert plan.parameters == network().parameters
    assert "rear_method" not in sys.modules
    assert _pressed("Left out: full (rear-method 1.2: tbft-edge itself has a method of this name).") in _help()


def test_the_command_knows_what_is_built_in() -> None:
    """Without importing the compiler."""
    assert registry._built_in() == set(METHODS)


def test_a_decorator_that_comes_before_ours_takes_no_name_of_ours() -> None:
    """Such as that of a package that is imported for its network."""
    code = (
        "from tbft_export.methods.registry import method, plan_training\n"
        "try: method('full')(lambda network, options: ())\n"
        "except ValueError as error: print(error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert ended.stdout == "there is a method full already: full\n"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_broken_one_is_named_with_its_package(install: Install, mistake: str) -> None:
    """In one line, and built-in ones work as before."""
    right, wrong, words = MISTAKES[mistake]
    assert right in REAR
    install(REAR.replace(right, wrong))
    with pytest.raises(PluginError) as caught:
        trained()
    assert caught.value.message.startswith("the method 'rear' of rear-method 1.2 cannot be used: ")
    assert words in caught.value.reason
    assert caught.value.hint == "update or uninstall rear-method"
    assert plan_training("full", network(), MethodOptions())


def test_an_error_that_is_meant_for_the_user_stays_what_it_is(install: Install) -> None:
    """As those of our methods."""
    raising = "from tbft_artifacts.errors import TbftError; raise TbftError('too few blocks', 'give more'); ("
    install(REAR.replace("blocks = (", raising))
    with pytest.raises(TbftError) as caught:
        trained()
    assert (caught.value.message, caught.value.hint) == ("too few blocks", "give more")


def test_options_of_a_method_are_those_that_there_are() -> None:
    """An option that `export` does not have could never be given."""
    with pytest.raises(ValueError, match="MethodOptions has no depth"):
        method("deep", "depth")
