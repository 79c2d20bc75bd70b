"""A run that goes on from another one: it begins with those weights, and needs nothing of that run any more."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from support.bundles import ALL_DRIFTS, EVERYTHING, EXIT_PLANS, EXITS, FRONT, HEAD, LAST, SPARSE, compiled
from support.drifted import save_drifted
from support.runs import Recorder, assert_equal_runs, fine_tune, state_of
from tbft_artifacts.bundle import open_bundle
from tbft_edge.facts.settings import how_trained
from tbft_edge.pages.run_page import run_page
from tbft_runtime import DiagnoseOptions, diagnose, evaluate, finalize, read_report
from tbft_runtime.inference.model import open_whole
from tbft_runtime.reporting.caveats import differences
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.trained import open_trained
from tbft_runtime.training.sparse_rows import merged


def run_of(run: Path) -> RunFile:
    stored = RunFolder(run).read_run()
    assert stored is not None
    return stored


def weights_of(run: Path) -> dict[str, np.ndarray]:
    """Every tensor of the best state of a run, as it is deployed."""
    with open_trained(run) as (bundle, stored, state):
        return dict(merged(bundle.plan(stored.settings.plan), bundle.load_weights(), state.best))


def assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    assert [name for name in first if first[name].tobytes() != second[name].tobytes()] == []


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    """A run of the block at the input; tests only read it."""
    run = tmp_path_factory.mktemp("front") / "run"
    fine_tune(ALL_DRIFTS, squares, run, plan=FRONT, epochs=3, lr=0.02)
    return run


def test_it_begins_with_the_other_ones_weights(front: Path, more_squares: Path, tmp_path: Path) -> None:
    """Input first, output later: the front stays as it was trained, and the head goes on from there."""
    earlier = evaluate(front, more_squares, threads=1)
    options: dict[str, Any] = {"base": front, "plan": HEAD, "epochs": 2, "validation": more_squares}
    result = fine_tune(ALL_DRIFTS, more_squares, tmp_path / "run", **options)
    assert result.accuracy_before == pytest.approx(earlier.accuracy)
    assert result.loss_before == pytest.approx(earlier.loss, rel=1e-5)
    first, second = weights_of(front), weights_of(tmp_path / "run")
    changed = {name for name, value in second.items() if value.tobytes() != first[name].tobytes()}
    assert changed == {"fc.weight", "fc.bias"}
    assert (
        first["conv1.weight"].tobytes()
        != load_file(compiled(ALL_DRIFTS) / "weights.safetensors")["conv1.weight"].tobytes()
    )


def test_what_it_began_with_is_kept_and_told(front: Path, squares: Path, tmp_path: Path) -> None:
    """For its owner alone, as all files of a run; terminal and page say where it went on from."""
    recorder = Recorder()
    fine_tune(ALL_DRIFTS, squares, tmp_path / "run", recorder, base=front, plan=HEAD, epochs=1)
    own = load_file(compiled(ALL_DRIFTS) / "weights.safetensors")
    kept = load_file(tmp_path / "run" / "base.safetensors")
    trained = weights_of(front)
    assert_same(kept, {name: trained[name] for name in trained if trained[name].tobytes() != own[name].tobytes()})
    assert stat.S_IMODE((tmp_path / "run" / "base.safetensors").stat().st_mode) == 0o600
    base = run_of(tmp_path / "run").base
    assert base is not None
    after = state_of(front).after
    assert after is not None
    assert (base.source, base.plan, base.accuracy) == (str(front), FRONT, after.accuracy)
    assert base.started_at == run_of(front).started_at
    assert f"goes on from '{front}'" in recorder.notes[0]
    report = read_report(tmp_path / "run")
    assert report.base == base
    (fact,) = [fact for fact in how_trained(report).facts if fact.name == "went on from"]
    assert fact.figure == str(front)
    assert FRONT in fact.remark
    assert "went on from" in run_page(report)


@pytest.mark.parametrize("interrupt", [(1, 1), (2, 17)])
def test_it_resumes_without_the_other_run(
    interrupt: tuple[int, int], front: Path, squares: Path, tmp_path: Path
) -> None:
    """The earlier run may be gone by then: the run ends in the same weights, bit for bit."""
    options: dict[str, Any] = {"plan": LAST, "epochs": 3}
    fine_tune(ALL_DRIFTS, squares, tmp_path / "whole", base=front, **options)
    gone = shutil.copytree(front, tmp_path / "front")
    with pytest.raises(KeyboardInterrupt):
        fine_tune(ALL_DRIFTS, squares, tmp_path / "parts", Recorder(*interrupt), base=gone, **options)
    shutil.rmtree(gone)
    (tmp_path / "parts" / "run.json").unlink()
    fine_tune(ALL_DRIFTS, squares, tmp_path / "parts", base=gone, resume=True, **options)
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")
    # Whoever opens the run gets those weights, too.
    assert_same(weights_of(tmp_path / "parts"), weights_of(tmp_path / "whole"))


def test_what_is_deployed_has_them(front: Path, more_squares: Path, tmp_path: Path) -> None:
    """A finalized model answers as the run does, whose front the bundle does not have."""
    fine_tune(ALL_DRIFTS, more_squares, tmp_path / "run", base=front, plan=HEAD, epochs=1)
    finalize(tmp_path / "run", tmp_path / "model.onnx", allow_worse=True)
    pixels = np.load(more_squares)["images"]
    run, model, bundle = (
        open_whole(path, 1).logits(pixels) for path in (tmp_path / "run", tmp_path / "model.onnx", compiled(ALL_DRIFTS))
    )
    np.testing.assert_allclose(model, run, rtol=1e-5, atol=1e-5)
    assert np.abs(run - bundle).max() > 0.01


def test_kept_activations_are_those_of_the_new_front(front: Path, squares: Path, tmp_path: Path) -> None:
    """With and without a cache it ends in the same weights, and rows that the bundle's own front made are not taken."""
    with pytest.raises(KeyboardInterrupt):
        fine_tune(ALL_DRIFTS, squares, tmp_path / "run", Recorder(1, 40), plan=LAST, epochs=2)
    before = {path.name for path in (tmp_path / "run" / "cache").glob("activations-*")}
    kept = shutil.copytree(tmp_path / "run" / "cache", tmp_path / "cache")
    with pytest.raises(KeyboardInterrupt):
        fine_tune(ALL_DRIFTS, squares, tmp_path / "new", Recorder(1, 40), base=front, plan=LAST, epochs=2)
    after = {path.name for path in (tmp_path / "new" / "cache").glob("activations-*")}
    assert before
    assert not before & after
    shutil.copytree(kept, tmp_path / "new" / "cache", dirs_exist_ok=True)
    fine_tune(ALL_DRIFTS, squares, tmp_path / "new", resume=True)
    fine_tune(ALL_DRIFTS, squares, tmp_path / "off", base=front, plan=LAST, epochs=2, cache="off")
    assert_equal_runs(tmp_path / "new", tmp_path / "off")


def test_a_run_that_went_on_is_gone_on_from(front: Path, squares: Path, tmp_path: Path) -> None:
    """The third has what both before it trained, though neither is there any more."""
    fine_tune(ALL_DRIFTS, squares, tmp_path / "second", base=front, plan=HEAD, epochs=1)
    expected = weights_of(tmp_path / "second")
    fine_tune(ALL_DRIFTS, squares, tmp_path / "third", base=tmp_path / "second", plan=EVERYTHING, epochs=1, lr=0.0)
    shutil.rmtree(tmp_path / "second")
    # Its rate is 0, but the statistics of its batches moved.
    found = weights_of(tmp_path / "third")
    assert_same(
        {name: value for name, value in found.items() if "running" not in name},
        {name: value for name, value in expected.items() if "running" not in name},
    )
    assert state_of(tmp_path / "third").best_epoch in (0, 1)


def test_channels_are_put_in_their_places(squares: Path, tmp_path: Path) -> None:
    """What a device chose and trained of a layer is the layer for the next run, which chooses anew."""
    fine_tune(SPARSE, squares, tmp_path / "first", epochs=2, compute_budget=1.0, update_budget=6_000)
    selection = run_of(tmp_path / "first").selection
    assert selection is not None
    assert selection.channels
    fine_tune(SPARSE, squares, tmp_path / "second", base=tmp_path / "first", epochs=1, compute_budget=1.0)
    kept = load_file(tmp_path / "second" / "base.safetensors")
    own = load_file(compiled(SPARSE) / "weights.safetensors")
    for weight, rows in selection.channels.items():
        moved = np.flatnonzero((kept[weight] != own[weight]).any(axis=(1, 2, 3)))
        assert set(moved) <= set(rows)
        assert moved.size
    assert not any(".rows" in name or ".channels" in name for name in kept)


def test_statistics_are_taken_over(squares: Path, tmp_path: Path) -> None:
    """Those that a run re-estimated, and trained nothing: the next one trains behind them."""
    inverted = save_drifted(tmp_path / "inverted.npz", inverted=True)
    first = fine_tune("feature-adapt", inverted, tmp_path / "first", epochs=0, batch_norm="adapt")
    second = fine_tune("feature-adapt", inverted, tmp_path / "second", base=tmp_path / "first", epochs=1)
    assert second.loss_before == pytest.approx(first.loss_after, rel=1e-5)
    assert {name for name in load_file(tmp_path / "second" / "base.safetensors") if "running" not in name} == set()


def test_exits_go_on_as_they_were_trained(mixed: Path, tmp_path: Path) -> None:
    """All exits of the same plan, whatever stands beside the head."""
    options: dict[str, Any] = {"plan": EXIT_PLANS[2], "val_fraction": 0.5}
    fine_tune(EXITS, mixed, tmp_path / "first", epochs=2, **options)
    fine_tune(EXITS, mixed, tmp_path / "second", base=tmp_path / "first", epochs=1, **options)
    assert_same(
        state_of(tmp_path / "first").best,
        {name: weights_of_base(tmp_path / "second")[name] for name in state_of(tmp_path / "first").best},
    )


def weights_of_base(run: Path) -> dict[str, np.ndarray]:
    with open_trained(run) as (bundle, _, _):
        return bundle.load_weights()


def test_tensors_of_a_file(front: Path, squares: Path, tmp_path: Path) -> None:
    """Some of the bundle's, by their names; those that are as in the bundle are not kept twice."""
    trained = weights_of(front)
    own = load_file(compiled(ALL_DRIFTS) / "weights.safetensors")
    save_file({"conv1.weight": trained["conv1.weight"], "fc.bias": own["fc.bias"]}, tmp_path / "given.safetensors")
    fine_tune(ALL_DRIFTS, squares, tmp_path / "run", base=tmp_path / "given.safetensors", plan=HEAD, epochs=1)
    assert_same(load_file(tmp_path / "run" / "base.safetensors"), {"conv1.weight": trained["conv1.weight"]})
    base = run_of(tmp_path / "run").base
    assert base is not None
    assert (base.plan, base.accuracy, base.started_at) == (None, None, None)


def test_a_name_of_bytes(front: Path, squares: Path, tmp_path: Path) -> None:
    """An earlier run in a folder that no text can name is found, shown, and known again."""
    odd = shutil.copytree(front, tmp_path / os.fsdecode(b"n\xe4me"))
    recorder = Recorder()
    fine_tune(ALL_DRIFTS, squares, tmp_path / "run", recorder, base=odd, plan=HEAD, epochs=1)
    assert any("n\\xe4me'" in note for note in recorder.notes)
    (fact,) = [fact for fact in how_trained(read_report(tmp_path / "run")).facts if fact.name == "went on from"]
    assert fact.figure.endswith("n\\xe4me")
    fine_tune(ALL_DRIFTS, squares, tmp_path / "run", base=odd, epochs=2, resume=True)


def test_beside_each_other_runs_tell_what_they_began_with(front: Path, squares: Path, tmp_path: Path) -> None:
    """What one of them gained, it did not gain from the bundle's own weights."""
    fine_tune(ALL_DRIFTS, squares, tmp_path / "run", base=front, plan=HEAD, epochs=1)
    found = differences(read_report(tmp_path / "run"), read_report(front))
    kept = run_of(tmp_path / "run").base
    assert kept is not None
    assert f"weights before of {kept.sha256[:12]}, baseline the bundle's" in found


def test_a_bundle_as_an_archive(front: Path, squares: Path, tmp_path: Path) -> None:
    """It is unpacked into the new run; the earlier one came from the same bundle as a folder."""
    archive = Path(shutil.make_archive(str(tmp_path / "bundle"), "gztar", compiled(ALL_DRIFTS)))
    fine_tune(archive, squares, tmp_path / "run", base=front, plan=HEAD, epochs=1)
    finalize(tmp_path / "run", tmp_path / "model.onnx", allow_worse=True)


def test_what_drifted_is_decided_from_there(tmp_path: Path) -> None:
    """`diagnose` and `train --drift auto` look at the model that the run begins with, and decide alike."""
    data = save_drifted(tmp_path / "data.npz")
    known = save_drifted(tmp_path / "known.npz", seed=9)
    fine_tune(ALL_DRIFTS, known, tmp_path / "first", plan=EVERYTHING, epochs=15, patience=15)
    plain = diagnose(compiled(ALL_DRIFTS), DiagnoseOptions(data, threads=1))
    begun = diagnose(compiled(ALL_DRIFTS), DiagnoseOptions(data, threads=1, base=tmp_path / "first"))
    assert plain.labels is not None
    assert begun.labels is not None
    assert plain.labels.accuracy < 0.6 < 0.9 < begun.labels.accuracy
    fine_tune(ALL_DRIFTS, data, tmp_path / "second", base=tmp_path / "first", drift="auto", epochs=1)
    diagnosis = run_of(tmp_path / "second").diagnosis
    assert diagnosis is not None
    assert (diagnosis.plan, diagnosis.labels) == (begun.plan, begun.labels)


def test_a_start_that_came_to_nothing_leaves_no_base(front: Path, squares: Path, tmp_path: Path) -> None:
    """A run without `base` that begins in the same folder has the bundle's own weights."""
    with pytest.raises(KeyboardInterrupt):
        fine_tune(ALL_DRIFTS, squares, tmp_path / "run", Evaluating(), base=front, plan=HEAD, epochs=1)
    assert (tmp_path / "run" / "base.safetensors").exists()
    fine_tune(ALL_DRIFTS, squares, tmp_path / "run", plan=HEAD, epochs=1)
    assert not (tmp_path / "run" / "base.safetensors").exists()
    assert run_of(tmp_path / "run").base is None
    fine_tune(ALL_DRIFTS, squares, tmp_path / "plain", plan=HEAD, epochs=1)
    assert_equal_runs(tmp_path / "run", tmp_path / "plain")


class Evaluating(Recorder):
    """Presses Ctrl-C before the first state is saved."""

    def begin(self, what: str, total: int) -> None:
        if what.startswith("evaluating"):
            raise KeyboardInterrupt
        super().begin(what, total)


def test_runs_from_before_are_read(squares: Path, tmp_path: Path) -> None:
    """They say nothing of where they went on from: they began with their bundle."""
    fine_tune("output-frozen", squares, tmp_path / "run", epochs=1)
    path = tmp_path / "run" / "run.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    del fields["base"], fields["sha256"]
    path.write_text(json.dumps(fields), encoding="utf-8")
    fine_tune("output-frozen", squares, tmp_path / "run", epochs=2, resume=True)
    assert open_bundle(compiled("output-frozen")).changed == {}
