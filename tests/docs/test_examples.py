"""Examples of the documentation that no other test runs."""

from __future__ import annotations

import pytest

from support.commands import ROOT
from support.exports import forward_of
from support.markdown import blocks
from tbft_export.methods import registry
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import method_names, plan_training


def test_the_method_in_the_documentation_trains_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """What whoever adds one is told, done: every second residual block, and the head."""
    assert "every-second" not in method_names()
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    (code,) = blocks((ROOT / "docs" / "adding-a-method.md").read_text(), "python")
    exec(compile(code, "every_second.py", "exec"), {"__name__": "every_second"})
    network = Network(forward_of("tiny_models:resnet18_like"))
    (plan,) = plan_training("every-second", network, MethodOptions())
    blocks_of = network.blocks.residual_blocks
    assert plan.blocks == (*blocks_of[::2], "fc")
    assert plan.parameters == network.inside(plan.blocks)
    assert len(blocks_of) > 1
