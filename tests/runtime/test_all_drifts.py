"""A bundle of several plans: each is chosen by id or drift, and no run disturbs another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import ALL_DRIFTS, ALL_PLANS, LAST, MIDDLE, compiled
from support.commands import Ended
from support.fake_meters import fake_board, write_tree
from support.files import listing
from support.runs import Recorder, assert_equal_runs, fine_tune, state_of
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Drift
from tbft_runtime import TuneOptions, evaluate, finalize, tune
from tbft_runtime.doctor import examine
from tbft_runtime.doctor.needs import needs
from tbft_runtime.inference.model import open_model
from tbft_runtime.reporting.read import read_report

# What each drift calls for.
PLANS: dict[Drift, str] = {
    "input": "input-batch-sgd",
    "feature": "feature-block-sgd",
    "output": "output-frozen-sgd",
    "full": "full-batch-sgd",
}


@pytest.mark.parametrize("plan", ALL_PLANS)
def test_each_plan_trains_its_blocks_and_is_deployed(plan: str, tmp_path: Path, squares: Path) -> None:
    """From the id to the file: only its own parameters move, and the finalized model is the run's."""
    bundle = open_bundle(compiled(ALL_DRIFTS))
    run = tmp_path / "run"
    result = fine_tune(ALL_DRIFTS, squares, run, plan=plan, epochs=2)
    assert (result.plan, result.blocks) == (plan, bundle.plan(plan).blocks)
    base, best = load_file(bundle.weights), state_of(run).best
    moved = {name for name, value in best.items() if "running" not in name and not np.array_equal(value, base[name])}
    assert moved == {parameter.name for parameter in bundle.plan(plan).parameters}
    assert [block.name for block in read_report(run).blocks if block.trained] == list(result.blocks)
    finalize(run, tmp_path / "model.onnx", allow_worse=True)
    found, expected = (evaluate(path, squares, threads=1) for path in (tmp_path / "model.onnx", run))
    assert (found.accuracy, found.loss) == (expected.accuracy, pytest.approx(expected.loss, rel=1e-6))


@pytest.mark.parametrize(("drift", "plan"), PLANS.items())
def test_a_drift_chooses_its_plan(drift: Drift, plan: str, tmp_path: Path, squares: Path) -> None:
    """Of two for feature drift, the last stage's, as a bundle for that drift alone would."""
    assert fine_tune(ALL_DRIFTS, squares, tmp_path / "run", drift=drift, epochs=1).plan == plan


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing": ({}, ", ".join(ALL_PLANS), "'train' with `drift` auto finds out which"),
    "unknown": ({"plan": "rear"}, "no plan 'rear'", ", ".join(ALL_PLANS)),
    "both": ({"plan": "output-frozen-sgd", "drift": "output"}, "both `plan`", "leave one"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_plan_has_to_be_chosen(case: str, tmp_path: Path, squares: Path) -> None:
    """Once; the error lists them, and no folder is left behind."""
    chosen, said, hint = WRONG[case]
    with pytest.raises(TbftError) as caught:
        fine_tune(ALL_DRIFTS, squares, tmp_path / "run", **chosen)
    assert said in caught.value.message
    assert hint in caught.value.hint
    with pytest.raises(TbftError, match=r"plan"):
        tune(compiled(ALL_DRIFTS), TuneOptions(tmp_path / "run", **chosen))
    assert not (tmp_path / "run").exists()


def test_runs_of_two_plans_do_not_disturb_each_other(tmp_path: Path, squares: Path) -> None:
    """Interrupted, another plan trained meanwhile, resumed: as if each had been alone, and the bundle is as before."""
    before = listing(compiled(ALL_DRIFTS))
    middle, late = MIDDLE, LAST
    for plan in (middle, late):
        fine_tune(ALL_DRIFTS, squares, tmp_path / f"{plan}-alone", plan=plan, epochs=3)
    stop = Recorder(interrupt_epoch=2, interrupt_after=10)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(ALL_DRIFTS, squares, tmp_path / middle, stop, plan=middle, epochs=3)
    fine_tune(ALL_DRIFTS, squares, tmp_path / late, plan=late, epochs=3)
    fine_tune(ALL_DRIFTS, squares, tmp_path / middle, epochs=3, resume=True)
    for plan in (middle, late):
        assert_equal_runs(tmp_path / plan, tmp_path / f"{plan}-alone")
    assert listing(compiled(ALL_DRIFTS)) == before


@pytest.mark.parametrize("other", [{"drift": "output"}, {"drift": "feature"}, {"plan": "feature-block-sgd"}])
def test_a_run_keeps_its_plan(other: dict[str, Any], tmp_path: Path, squares: Path) -> None:
    """Resuming needs no choice, and refuses another one."""
    fine_tune(ALL_DRIFTS, squares, tmp_path / "run", plan="feature-layer2-block-sgd", epochs=1)
    with pytest.raises(TbftError, match="has feature-layer2-block-sgd"):
        fine_tune(ALL_DRIFTS, squares, tmp_path / "run", epochs=2, resume=True, **other)
    resumed = fine_tune(ALL_DRIFTS, squares, tmp_path / "run", epochs=2, resume=True)
    assert (resumed.plan, resumed.epochs) == ("feature-layer2-block-sgd", 2)


def test_the_same_drift_resumes(tmp_path: Path, squares: Path) -> None:
    """So that the same command with --resume goes on."""
    fine_tune(ALL_DRIFTS, squares, tmp_path / "run", drift="output", epochs=1)
    assert fine_tune(ALL_DRIFTS, squares, tmp_path / "run", drift="output", epochs=2, resume=True).epochs == 2


def test_a_tuning_holds_for_its_plan_alone(
    tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., Ended]
) -> None:
    """Chosen by drift, too; a run of another plan in that folder says why it does not take it."""
    monkeypatch.setattr("tbft_runtime.tuning.race.SEARCH_SECONDS", 0.0)
    ended = command("tune", compiled(ALL_DRIFTS), "--out", tmp_path / "run", "--drift", "output")
    assert ended.code == 0, ended
    assert f"--data … --out {tmp_path / 'run'} --drift output\n" in ended.err
    recorder = Recorder()
    assert not fine_tune(ALL_DRIFTS, squares, tmp_path / "run", recorder, drift="feature", epochs=1).tuned
    assert [note for note in recorder.notes if "measured for plan 'output-frozen-sgd'" in note]
    tune(compiled(ALL_DRIFTS), TuneOptions(tmp_path / "again", drift="output"))
    assert fine_tune(ALL_DRIFTS, squares, tmp_path / "again", drift="output", epochs=1).tuned


def test_the_bundle_itself_is_the_base_model(squares: Path) -> None:
    """`eval` and `predict` of a bundle need no plan: nothing is trained yet."""
    images = np.zeros((2, 8, 8, 3), np.uint8)
    assert open_model(compiled(ALL_DRIFTS), 1).logits(images).shape == (2, 4)
    assert evaluate(compiled(ALL_DRIFTS), squares, threads=1).images == 48


def test_inspect_lists_every_plan(command: Callable[..., Ended]) -> None:
    """A row each, and for each block which plans train it."""
    page = command("inspect", compiled(ALL_DRIFTS))
    assert page.code == 0, page
    rows = [line.split() for line in page.out.splitlines()]
    assert tuple(row[0] for row in rows if row and row[0] in ALL_PLANS) == ALL_PLANS
    (trained_by,) = (row[2:] for row in rows if row and row[0] == "layer2" and len(row) > 2)
    assert [name.rstrip(",") for name in trained_by] == ["feature-layer2-block-sgd", "full-batch-sgd"]


def test_bench_compares_the_plans_of_one_bundle(command: Callable[..., Ended]) -> None:
    """One for each drift, that of `--drift`; or the one that is named."""
    options = ("--steps", "1", "--json")
    ended = command("bench", compiled(ALL_DRIFTS), "--compare", "feature,full", *options)
    assert ended.code == 0, ended
    found = json.loads(ended.out)
    assert [result["plan"] for result in found["results"]] == [PLANS["feature"], PLANS["full"]]
    assert [cost["plan"] for cost in found["costs"]] == [PLANS["feature"], PLANS["full"]]
    ended = command("bench", compiled(ALL_DRIFTS), "--plan", "feature-layer2-block-sgd", *options)
    assert [result["plan"] for result in json.loads(ended.out)["results"]] == ["feature-layer2-block-sgd"]
    refused = command("bench", compiled(ALL_DRIFTS), *options)
    assert (refused.code, refused.out) == (2, "")
    assert "holds several plans" in refused.err


@pytest.mark.parametrize(("fitting", "ok"), [(0, False), (2, None), (len(ALL_PLANS), True)])
def test_the_doctor_says_which_plans_fit(fitting: int, ok: bool | None, tmp_path: Path) -> None:
    """A board that can train some of them is fit to train; the hint names those."""
    bundle = open_bundle(compiled(ALL_DRIFTS))
    wanted = sorted((needs(bundle, plan).memory, plan.id) for plan in bundle.manifest.plans)
    kilobytes = -(-wanted[fitting - 1][0] // 1024) if fitting else wanted[0][0] // 1024 - 1
    files = {"proc/meminfo": f"MemTotal: 4000000 kB\nMemAvailable: {kilobytes} kB\n"}
    board = fake_board(write_tree(tmp_path, files))
    (check,) = [check for check in examine(bundle, tmp_path, board) if check.name == "memory"]
    assert check.ok is ok
    assert f"plan {wanted[-1][1]} needs about" in check.text
    named = [plan for _, plan in wanted if plan in check.hint]
    assert sorted(named) == sorted(plan for _, plan in wanted[:fitting] if ok is None)
