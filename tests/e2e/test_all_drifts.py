"""One bundle for every drift: exported once, and the plan chosen on the device."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from support.bundles import ALL_PLANS, CLASSES
from support.commands import DEVICE, HOST, Step, refused, run
from support.toys import coloured_squares

EXPORT_ALL = (
    *("export", "--model", "support.tiny_models:tiny_deep", "--image-size", "8", "--drift", "all"),
    *("--lr", "0.05", "--batch-size", "8", "--classes", ",".join(CLASSES)),
)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Step:
    """The bundle, as an archive."""
    path = tmp_path_factory.mktemp("all") / "bundle.tar.gz"
    return Step(path, run(HOST, *EXPORT_ALL, "--out", path, "--json"))


def test_the_result_lists_the_plans(everything: Step) -> None:
    """What a bundle for one drift says of its plan, for each; the size is that of all."""
    result = everything.json
    assert tuple(plan["plan"] for plan in result["plans"]) == ALL_PLANS
    assert all(plan["check"]["formulas"] < 1e-6 and plan["check"]["kernels"] <= 1 for plan in result["plans"])
    assert result["plans"][-1]["trainable_parameters"] == result["plans"][-1]["full_parameters"]
    assert result["bytes"]["weights"] > 0 == result["bytes"]["ort_training"]
    assert "plan" not in result


def test_people_see_a_row_for_each_plan(everything: Step, tmp_path: Path) -> None:
    """And in words how each compared with PyTorch, and what to do next; an export repeats."""
    ended = run(HOST, *EXPORT_ALL, "--out", tmp_path / "bundle")
    assert ended.code == 0, ended
    rows = [line.split() for line in ended.out.splitlines()]
    assert tuple(row[0] for row in rows if row and row[0] in ALL_PLANS) == ALL_PLANS
    assert "ort_training" not in ended.out + ended.err
    checked = [line.split(":")[0] for line in ended.err.splitlines() if "checked one train step" in line]
    assert tuple(checked) == ALL_PLANS
    assert f"for --expect-id on the device: {everything.json['bundle_id']}\n" in ended.err
    train = f"tbft-edge train {tmp_path / 'bundle'} --data … --drift auto --out run"
    assert ended.err.splitlines()[-1] == f"next, on the device: {train}"


def test_the_device_chooses(everything: Step, data: Path, fresh: Path, tmp_path: Path) -> None:
    """From one archive a run of the head and one of the middle, each to its deployed file."""
    choose = ("train", everything.path, "--data", data, "--epochs", "3", "--threads", "1", "--json")
    error = refused(run(DEVICE, *choose, "--out", tmp_path / "run"))
    assert ", ".join(ALL_PLANS) in error.message
    assert error.hint.startswith("'train' with --drift auto")
    assert "--plan" in error.hint
    assert list(tmp_path.iterdir()) == []
    for option, value, blocks in (("--drift", "output", ["fc"]), ("--plan", "feature-layer2-block-sgd", ["layer2"])):
        folder, model = tmp_path / value, tmp_path / f"{value}.onnx"
        result = Step(folder, run(DEVICE, *choose, option, value, "--out", folder)).json
        assert result["blocks"] == blocks
        assert result["loss_after"] < result["loss_before"]
        assert Step(model, run(DEVICE, "finalize", folder, "--out", model, "--allow-worse", "--json")).json
        losses = [
            Step(path, run(DEVICE, "eval", path, "--data", fresh, "--json")).json["loss"] for path in (folder, model)
        ]
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_the_device_finds_out_what_drifted(everything: Step, tmp_path: Path) -> None:
    """From the archive alone: `diagnose` only says it, `train --drift auto` says the same, trains it and remembers."""
    images, labels = coloured_squares(160, seed=5)
    renamed = tmp_path / "renamed.npz"
    np.savez(renamed, images=images, labels=(labels + 1) % len(CLASSES))
    found = Step(renamed, run(DEVICE, "diagnose", everything.path, "--data", renamed, "--json")).json
    assert found["plan"] in ALL_PLANS[:-1]
    assert [candidate["plan"] for candidate in found["candidates"]] == list(ALL_PLANS[:-1])

    folder = tmp_path / "run"
    train = ("train", everything.path, "--data", renamed, "--drift", "auto", "--threads", "1", "--out", folder)
    trained = run(DEVICE, *train, "--epochs", "2", "--json")
    assert Step(folder, trained).json["plan"] == found["plan"]
    assert all(reason in trained.err for reason in found["reasons"])
    assert json.loads((folder / "report.json").read_text())["diagnosis"]["reasons"] == found["reasons"]
    assert "Why this block" in (folder / "report.html").read_text()
    resumed = run(DEVICE, *train, "--epochs", "3", "--resume", "--json")
    assert Step(folder, resumed).json["plan"] == found["plan"]
    assert found["reasons"][0] not in resumed.err
