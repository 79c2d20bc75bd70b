"""A run that forgot too much of what its bundle keeps goes back on its way, as far as it has to and no further."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import ALL_DRIFTS, CLASSES, FRONT, KEPT, LAST, SPARSE, compiled
from support.runs import fine_tune, state_of
from support.toys import OLD_COLOURS, coloured_squares
from tbft_runtime import LearnOptions, learn, read_report
from tbft_runtime.going_back import _between, go_back
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.run.trained import open_trained
from tbft_runtime.training.sparse_rows import merged


@pytest.fixture
def renamed(tmp_path: Path) -> Path:
    """A head that calls every class otherwise: nothing of what is kept is right any more."""
    pixels, labels = coloured_squares(24, seed=6, colours=OLD_COLOURS)
    data = tmp_path / "renamed.npz"
    np.savez(data, images=pixels, labels=(labels + 1) % len(CLASSES), classes=np.array(CLASSES))
    learn(compiled(KEPT), LearnOptions(data=data, out=tmp_path / "run", threads=1, meter="none"))
    return tmp_path / "run"


@pytest.mark.parametrize("most", [0.0, 0.25])
def test_the_furthest_that_forgets_no_more_is_taken(renamed: Path, most: float) -> None:
    trained = state_of(renamed).best
    found = go_back(renamed, most)
    assert found is not None
    assert (found.images, found.before, found.trained) == (20, 1.0, 0.0)
    assert 0 < found.share < 1
    assert found.after >= 1 - most
    base = load_file(compiled(KEPT) / "weights.safetensors")
    best = state_of(renamed).best
    assert best.keys() == trained.keys()
    for name, value in best.items():
        between = base[name] + np.float32(found.share) * (trained[name] - base[name])
        np.testing.assert_allclose(value, between, atol=1e-6)
    # That is what it answers by from now on, and measured anew it is the trained one.
    again = go_back(renamed, most)
    assert again is not None
    assert (again.before, again.trained, again.share) == (1.0, found.after, 1.0)


def test_what_the_run_says_of_itself_is_of_the_model_that_it_is_now(renamed: Path) -> None:
    assert read_report(renamed).result.accuracy_after == 1.0
    go_back(renamed, 0.0)
    result = read_report(renamed).result
    assert result.accuracy_after is None
    assert result.old is not None
    assert (result.old.accuracy_before, result.old.accuracy_after) == (1.0, 1.0)
    # Nor is there an earlier state, which a damaged one would be taken for.
    assert {path.name for path in renamed.glob("state*")} == {"state.safetensors"}


def test_what_forgets_little_enough_stays_as_it_is(renamed: Path) -> None:
    before = (renamed / "state.safetensors").read_bytes()
    found = go_back(renamed, 1.0)
    assert found is not None
    assert (found.share, found.after) == (1.0, 0.0)
    assert (renamed / "state.safetensors").read_bytes() == before


def test_a_class_that_was_learned_is_not_half_learned(tmp_path: Path) -> None:
    """Between a class that is never answered and one that is lies none."""
    pixels, _ = coloured_squares(12, seed=4)
    data = tmp_path / "wasps.npz"
    np.savez(data, images=pixels, labels=np.full(12, 4), classes=np.array([*CLASSES, "wasp"]))
    learn(
        compiled(KEPT),
        LearnOptions(data=data, out=tmp_path / "run", add_classes=("wasp",), threads=1, meter="none"),
    )
    before = (tmp_path / "run" / "state.safetensors").read_bytes()
    found = go_back(tmp_path / "run", -1.0)
    assert found is not None
    assert found.share == 1.0
    assert (tmp_path / "run" / "state.safetensors").read_bytes() == before


@pytest.mark.parametrize("plan", [FRONT, LAST])
def test_plans_that_keep_images_and_plans_that_keep_activations(tmp_path: Path, squares: Path, plan: str) -> None:
    """Both are measured as the run measures them, though by images wherever any plan keeps those."""
    result = fine_tune(KEPT, squares, tmp_path / "run", plan=plan, epochs=6)
    found = go_back(tmp_path / "run", 1.0)
    assert found is not None
    assert result.old is not None
    assert found.before == result.old.accuracy_before
    # Of 20 images, one.
    assert found.trained == pytest.approx(result.old.accuracy_after, abs=0.051)


def test_of_chosen_channels_their_rows_go_back(tmp_path: Path, squares: Path) -> None:
    fine_tune(SPARSE, squares, tmp_path / "run", epochs=2, update_budget=20_000)
    with open_trained(tmp_path / "run") as (bundle, record, state):
        plan, base = bundle.plan(record.settings.plan), load_weights(bundle)
        half = _between(plan, base, state.best, 0.5)
    assert {name: value.dtype for name, value in half.items()} == {n: value.dtype for n, value in state.best.items()}
    trained = merged(plan, base, state.best)
    for name, value in merged(plan, base, half).items():
        np.testing.assert_allclose(value, (base[name] + trained[name]) / 2, atol=1e-6)
    assert any((value != base[name]).any() for name, value in trained.items())


def test_without_kept_images_nothing_is_said(tmp_path: Path, squares: Path) -> None:
    fine_tune(ALL_DRIFTS, squares, tmp_path / "run", epochs=1, plan=LAST)
    assert go_back(tmp_path / "run", 0.0) is None
