"""The table of lowerings: every one is tested, says what it computes, and is the only one of its operator."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from support.covers import covered
from support.onnx_models import parse
from tbft_artifacts.errors import TbftError
from tbft_export.lowerings.registry import all_lowerings, find_lowering, lowers
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass


def test_every_lowering_is_tested() -> None:
    assert {lowering.operator for lowering in all_lowerings()} == {name for name in covered() if "::" in name}


def test_every_lowering_says_what_it_computes() -> None:
    """`tbft-edge ops` prints the first line of each docstring."""
    assert all(len(lowering.summary) > 10 for lowering in all_lowerings())


def test_a_second_lowering_of_an_operator_is_an_error() -> None:
    existing = find_lowering("com.microsoft", "ReluGrad")
    assert existing is not None
    with pytest.raises(ValueError, match=r"microsoft::ReluGrad has a lowering already: relu_grad"):
        lowers("com.microsoft", "ReluGrad")(existing.function)
    assert find_lowering("com.microsoft", "ReluGrad") is existing


def test_an_operator_without_a_lowering_is_named() -> None:
    text = "g (float[n,3] dy, float[n,3] x) => (float[n,3] dx) { dx = com.microsoft.NothingGrad(dy, x) }"
    with pytest.raises(TbftError, match="microsoft::NothingGrad at node 'NothingGrad_0' has no lowering"):
        LowerTrainingOperatorsPass()(parse(text))


def test_formulas_are_there_without_docstrings() -> None:
    """`python -OO` leaves them out."""
    words = [sys.executable, "-OO", "-m", "tbft_edge", "ops", "--json"]
    listed = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert listed == [{"operator": each.operator, "formula": each.summary} for each in all_lowerings()]
    assert all(each["formula"] for each in listed)
