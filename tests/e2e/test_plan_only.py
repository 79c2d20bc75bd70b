"""`tbft-edge export --plan-only`: what an export would make, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.commands import EXPORT
from support.in_process import run_in_process

MODEL = EXPORT[1:5]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_draws_the_network_and_writes_nothing(capfd: pytest.CaptureFixture[str], empty_folder: Path) -> None:
    """Without a drift every plan, and no --out is needed."""
    ended = run_in_process(capfd, "export", *MODEL, "--plan-only")
    assert ended.code == 0, ended.err
    rows = [line.split() for line in ended.out.splitlines() if line]
    assert ["stem", "3", "×", "8", "×", "8", "conv1,", "bn1"] in [row[:8] for row in rows]
    assert [row[0] for row in rows if row[0].endswith("-sgd")] == [
        *("input-batch-sgd", "feature-block-sgd", "output-frozen-sgd", "full-batch-sgd")
    ]
    assert list(empty_folder.iterdir()) == []


def test_as_data(capfd: pytest.CaptureFixture[str]) -> None:
    """The parts, and the one plan that was asked for."""
    ended = run_in_process(capfd, "export", *MODEL, "--drift", "output", "--plan-only", "--json")
    found = json.loads(ended.out)
    assert [part["kind"] for part in found["parts"]] == ["stem", "stage 1", "stage 2", "head"]
    assert [(plan["id"], plan["blocks"], plan["obstacles"]) for plan in found["plans"]] == [
        ("output-frozen-sgd", ["fc"], [])
    ]


def test_it_says_which_plans_cannot_be_made(capfd: pytest.CaptureFixture[str]) -> None:
    """With the layer, and what works."""
    model = ("--model", "support.tiny_models:tiny_without_gradient", "--image-size", "8")
    ended = run_in_process(capfd, "export", *model, "--plan-only")
    assert ended.code == 0
    assert "plan input-batch-sgd cannot be made: operator Round at node '/relu/Round'" in ended.err
    assert ended.err.splitlines()[-1] == "what can be made: feature-block-sgd, output-frozen-sgd"
