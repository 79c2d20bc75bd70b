"""Models between the base one and the trained one: exact at both ends, measured as they will answer, and chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import EVERYTHING, FRONT, KEPT, LAST, SPARSE, compiled
from support.runs import Recorder, fine_tune, state_of
from support.toys import coloured_squares
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.kept import kept_file
from tbft_runtime import evaluate, finalize
from tbft_runtime.inference.model import open_whole
from tbft_runtime.kept.images import load_kept
from tbft_runtime.run.blends import Blend, best_blend
from tbft_runtime.run.folder import RunFolder

IMAGES, _ = coloured_squares(12, seed=4)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, squares: Path, more_squares: Path) -> Path:
    """A run that forgot the old data; tests only read it."""
    out = tmp_path_factory.mktemp("blend") / "run"
    fine_tune(KEPT, squares, out, plan=EVERYTHING, epochs=4, validation=more_squares)
    return out


def answers(model: Path) -> np.ndarray:
    return open_whole(model, 1).logits(IMAGES)


def test_the_ends_are_the_base_model_and_the_trained_one(run: Path, tmp_path: Path) -> None:
    finalize(run, tmp_path / "default.onnx")
    for share in (0, 1):
        finalize(run, tmp_path / f"{share}.onnx", blend=share, allow_worse=True)
    assert (tmp_path / "1.onnx").read_bytes() == (tmp_path / "default.onnx").read_bytes()
    assert answers(tmp_path / "0.onnx").tobytes() == answers(compiled(KEPT)).tobytes()


def test_half_way_every_weight_is_the_mean(run: Path, tmp_path: Path) -> None:
    finalize(run, tmp_path / "half.onnx", blend=0.5, allow_worse=True)
    base = load_file(open_bundle(compiled(KEPT)).weights)
    half, trained = open_whole(tmp_path / "half.onnx", 1).logits(IMAGES), state_of(run)
    trained.best = {name: (base[name] + value) / 2 for name, value in trained.best.items()}
    folder = tmp_path / "mean"
    folder.mkdir()
    for file in run.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    RunFolder(folder).write_state(trained)
    assert np.allclose(answers(folder), half, atol=1e-4)


def old_images(bundle: Bundle, plan: str, path: Path) -> Path:
    """The pixels that are measured on, as a data set."""
    file = load_file(bundle.path(kept_file(bundle.plan(plan))))
    measured = load_kept(bundle, bundle.plan(plan)).measured
    np.savez(path, images=file["values"][measured].transpose(0, 2, 3, 1), labels=file["labels"][measured])
    return path


def test_what_is_told_of_a_blend_is_what_its_file_answers(run: Path, tmp_path: Path, more_squares: Path) -> None:
    """On validation images and on kept ones, whose pixels this plan has."""
    bundle = open_bundle(compiled(KEPT))
    old = old_images(bundle, EVERYTHING, tmp_path / "old.npz")
    blends = state_of(run).blends
    assert [blend.share for blend in blends] == [tenth / 10 for tenth in range(11)]
    for blend in blends[::3]:
        found = finalize(run, tmp_path / "model.onnx", blend=blend.share, allow_worse=True)
        assert evaluate(tmp_path / "model.onnx", more_squares, 1).accuracy == blend.accuracy == found.accuracy_after
        assert evaluate(tmp_path / "model.onnx", old, 1).accuracy == blend.old_accuracy == found.old_accuracy


def test_auto_takes_the_best_mean(run: Path, tmp_path: Path) -> None:
    blends = state_of(run).blends
    found = finalize(run, tmp_path / "model.onnx", blend="auto", allow_worse=True)
    chosen = next(blend for blend in blends if blend.share == found.blend)
    assert chosen.mean == max(blend.mean for blend in blends)
    assert (found.accuracy_after, found.old_accuracy) == (chosen.accuracy, chosen.old_accuracy)


def test_of_equal_blends_the_most_trained_one_is_chosen() -> None:
    blends = [Blend(share=share, accuracy=0.5 + share, old_accuracy=0.9 - share) for share in (0.0, 0.25, 0.125)]
    assert best_blend(blends) == blends[1]
    assert best_blend([]) is None


def test_between_the_tenths_nothing_is_claimed(run: Path, tmp_path: Path) -> None:
    found = finalize(run, tmp_path / "model.onnx", blend=0.55)
    assert (found.blend, found.accuracy_after, found.old_accuracy) == (0.55, None, None)


def test_a_number_needs_no_kept_images(tmp_path: Path, squares: Path) -> None:
    """Chosen channels included."""
    plan = open_bundle(compiled(SPARSE)).manifest.plans[0].id
    fine_tune(SPARSE, squares, tmp_path / "run", plan=plan, epochs=4, compute_budget=0.5, update_budget=1_000_000)
    for share in (0, 0.5):
        finalize(tmp_path / "run", tmp_path / f"{share}.onnx", blend=share, allow_worse=True)
    assert answers(tmp_path / "0.onnx").tobytes() == answers(compiled(SPARSE)).tobytes()
    assert answers(tmp_path / "0.5.onnx").tobytes() not in (
        answers(tmp_path / "0.onnx").tobytes(),
        answers(tmp_path / "run").tobytes(),
    )


def test_without_kept_images_nothing_says_what_is_best(tmp_path: Path, squares: Path) -> None:
    fine_tune("feature-block", squares, tmp_path / "run", epochs=4)
    with pytest.raises(TbftError, match="measured no models between") as caught:
        finalize(tmp_path / "run", tmp_path / "model.onnx", blend="auto", allow_worse=True)
    assert "`keep`" in caught.value.hint


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_blend_is_a_part(share: float, run: Path, tmp_path: Path) -> None:
    with pytest.raises(TbftError, match="`blend`"):
        finalize(run, tmp_path / "model.onnx", blend=share)


def test_a_run_that_did_not_end_has_measured_nothing_between(tmp_path: Path, squares: Path) -> None:
    """And does so when it goes on; once, however often it is started again."""
    asked = {"plan": LAST, "epochs": 3}
    with pytest.raises(KeyboardInterrupt):
        fine_tune(KEPT, squares, tmp_path / "run", Recorder(interrupt_epoch=3, interrupt_after=1), **asked)
    with pytest.raises(TbftError, match="measured no models between"):
        finalize(tmp_path / "run", tmp_path / "model.onnx", blend="auto", allow_worse=True)
    fine_tune(KEPT, squares, tmp_path / "run", resume=True, **asked)
    assert len(state_of(tmp_path / "run").blends) == 11
    written = (tmp_path / "run" / "state.safetensors").stat().st_mtime_ns
    fine_tune(KEPT, squares, tmp_path / "run", resume=True, **asked)
    assert (tmp_path / "run" / "state.safetensors").stat().st_mtime_ns == written


def test_the_front_is_measured_with_its_own_statistics(tmp_path: Path, squares: Path) -> None:
    """Where training begins at the image the whole model answers, as it will be deployed."""
    result = fine_tune(KEPT, squares, tmp_path / "run", plan=FRONT, epochs=3)
    old = old_images(open_bundle(compiled(KEPT)), FRONT, tmp_path / "old.npz")
    assert result.old is not None
    assert result.old.accuracy_before == evaluate(compiled(KEPT), old, 1).accuracy
    assert result.old.accuracy_after == evaluate(tmp_path / "run", old, 1).accuracy
