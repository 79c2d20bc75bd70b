"""Command lines that make no sense: one error line and a hint, exit code 2, and nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.desk import refused_here


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--epochs 0", "nothing is trained"),
        ("--bn batch", "cannot train with --bn batch"),
        ("--plan rear", "no plan 'rear'"),
        ("--lr nan", "--lr nan"),
        ("--epochs many", "--epochs"),
        ("--batch-size 0", "--batch-size"),
        ("--bn sometimes", "--bn"),
        ("--unheard-of", "--unheard-of"),
    ],
)
def test_options_that_make_no_sense(options: str, words: str, bundle: Path, data: Path, desk: Path) -> None:
    """Whether the command line or the bundle rules them out, they end alike."""
    refusal = refused_here(desk, "train", bundle, "--data", data, "--out", desk / "run", *options.split())
    assert words in refusal.message


@pytest.mark.parametrize("arguments", ["train", "predict", "nonsense", "eval x --data"])
def test_incomplete_command_lines(arguments: str, desk: Path) -> None:
    """The hint points at the help."""
    assert "--help" in refused_here(desk, *arguments.split()).hint


@pytest.mark.parametrize("arguments", ["export --model resnet26 --drift output --out {desk}/bundle", "ops"])
def test_a_host_command_on_the_device(arguments: str, desk: Path) -> None:
    """Which package is missing, and how to install the half that brings it."""
    refusal = refused_here(desk, *arguments.format(desk=desk).split())
    assert "is not installed here" in refusal.message
    assert "tbft-edge[export]" in refusal.hint
