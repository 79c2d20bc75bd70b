"""`class_weights` balanced: each class counts alike, in every step and where the best state is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.bundles import ALL_DRIFTS, EXIT_PLANS, EXITS, HEAD, LAST, SPARSE, compiled
from support.drifted import knowing_bundle
from support.runs import Recorder, assert_equal_runs, fine_tune, state_of, tensors_of
from support.toys import coloured_squares
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_edge.facts.cautions import cautions
from tbft_edge.facts.settings import how_trained
from tbft_runtime import TrainOptions, evaluate, read_report
from tbft_runtime.run.resolve import resolve
from tbft_runtime.tally import Tally
from tbft_runtime.training.class_weights import balanced_weights, weighted
from tbft_runtime.training.step import TrainStep, initial_state

UNEQUAL = (60, 4, 4, 4)


def save_unequal(path: Path, counts: tuple[int, ...] = UNEQUAL, seed: int = 5) -> Path:
    """So many squares of each class, in colours that noise makes hard to tell, called by the next one's name."""
    images, labels = coloured_squares(4 * max(counts), seed)
    chosen = np.concatenate([np.flatnonzero(labels == label)[:count] for label, count in enumerate(counts)])
    noise = np.random.default_rng(seed + 50).normal(0, 90, (len(chosen), 1, 1, 3))
    pixels = np.clip(images[chosen] + noise, 0, 255).astype(np.uint8)
    np.savez(path, images=pixels, labels=(labels[chosen] + 1) % 4)
    return path


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_every_class_weighs_alike(labels: list[int]) -> None:
    """All images together weigh as many as there are, and so does each class that has some."""
    found = balanced_weights(np.array(labels), 5)
    assert sum(found[labels]) == pytest.approx(len(labels), rel=1e-5)
    present = set(labels)
    for label in range(5):
        share = found[label] * labels.count(label)
        assert share == pytest.approx(len(labels) / len(present) if label in present else 0, rel=1e-5)


def test_a_weight_of_two_is_an_image_that_is_there_twice() -> None:
    """The update is that of the batch in which it is, by the graph that takes labels."""
    bundle = open_bundle(compiled(ALL_DRIFTS))
    plan = bundle.plan(HEAD)
    options = TrainOptions(Path("data"), Path("run"), threads=1, momentum=0.0, weight_decay=0.0, lr=0.1)
    settings = resolve(options, plan, bundle)
    base = bundle.load_weights()
    labels = np.array([0, 1, 1, 2])
    boundary = np.random.default_rng(0).standard_normal((4, *plan.boundary.shape), np.float32)
    plain = initial_state(bundle, plan, settings, base)
    twice = np.array([0, 0, 1, 2, 3])
    step = TrainStep(bundle, plan, settings, base, None)
    step.run_from_boundary(plain, {plan.boundary.name: boundary[twice]}, labels[twice])
    state = initial_state(bundle, plan, settings, base)
    weights = np.array([2, 1, 1, 0], np.float32) * np.float32(4 / 5)
    step = TrainStep(bundle, plan, settings, base, None, takes_targets=True)
    step.run_from_boundary(state, {plan.boundary.name: boundary}, weighted(labels, weights))
    for name, value in plain.current.items():
        np.testing.assert_allclose(state.current[name], value, rtol=1e-5, atol=1e-6)


def test_equal_classes_are_trained_as_without(squares: Path, tmp_path: Path) -> None:
    """Where each has as many images every weight is 1, up to rounding in another graph."""
    options: dict[str, Any] = {"plan": LAST, "epochs": 2, "validation": squares, "batch_size": 8}
    plain = fine_tune(ALL_DRIFTS, squares, tmp_path / "plain", **options)
    even = fine_tune(ALL_DRIFTS, squares, tmp_path / "even", class_weights="balanced", **options)
    assert even.loss_after == pytest.approx(plain.loss_after, rel=1e-3)
    for name, value in tensors_of(tmp_path / "plain").items():
        np.testing.assert_allclose(tensors_of(tmp_path / "even")[name], value, rtol=1e-2, atol=1e-4)
    told = [epoch.train_accuracy for epoch in state_of(tmp_path / "even").epochs]
    assert told == pytest.approx([epoch.train_accuracy for epoch in state_of(tmp_path / "plain").epochs])


def test_rare_classes_are_found(tmp_path: Path) -> None:
    """60, 4, 4 and 4 images, three draws: recall, the mean over classes, on others of which each class has as many."""
    bundle = knowing_bundle(ALL_DRIFTS, tmp_path / "knowing")
    others = save_unequal(tmp_path / "others.npz", (40, 40, 40, 40), seed=99)
    recall = {"none": 0.0, "balanced": 0.0}
    for seed in range(3):
        data = save_unequal(tmp_path / f"{seed}.npz", seed=seed)
        for kind in recall:
            run = tmp_path / f"{kind}-{seed}"
            fine_tune(bundle, data, run, plan=HEAD, epochs=10, lr=0.05, class_weights=kind)
            recall[kind] += evaluate(run, others, threads=1).accuracy / 3
    assert recall["balanced"] > recall["none"] + 0.15


def test_a_rare_class_counts_where_the_best_is_chosen() -> None:
    """The loss of 9 images that are right and one that is wrong is that of two classes, one of which is wrong."""
    logits = np.array([[4.0, 0.0]] * 10, np.float32)
    labels = np.array([0] * 9 + [1])
    tally = Tally(weights=balanced_weights(labels, 2))
    tally.add(logits, labels)
    right, wrong = np.log1p(np.exp(-4.0)), np.log1p(np.exp(4.0))
    found = tally.evaluation()
    assert found is not None
    assert found.loss == pytest.approx((right + wrong) / 2, rel=1e-5)
    assert found.accuracy == 0.9


def test_it_resumes_bit_for_bit(tmp_path: Path) -> None:
    """Weights are those of the images, whatever was done of them already."""
    data = save_unequal(tmp_path / "data.npz")
    options: dict[str, Any] = {"plan": LAST, "epochs": 3, "class_weights": "balanced", "augment": "flip"}
    fine_tune(ALL_DRIFTS, data, tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(ALL_DRIFTS, data, tmp_path / "parts", Recorder(2, 17), **options)
    fine_tune(ALL_DRIFTS, data, tmp_path / "parts", resume=True)
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")
    with pytest.raises(TbftError, match="`class_weights` none"):
        fine_tune(ALL_DRIFTS, data, tmp_path / "parts", resume=True, class_weights="none")


def test_it_is_told_and_profiled(tmp_path: Path) -> None:
    """Among the settings; that classes are unequal is no caution then."""
    data, recorder = save_unequal(tmp_path / "data.npz"), Recorder()
    fine_tune(ALL_DRIFTS, data, tmp_path / "run", recorder, plan=HEAD, epochs=1, class_weights="balanced", profile=True)
    report = read_report(tmp_path / "run")
    assert ("class weights", "balanced") in [(fact.name, fact.figure) for fact in how_trained(report).facts]
    assert report.profile is not None
    for said in (recorder.notes, cautions(report)):
        assert not any("to train on" in line for line in said)
    fine_tune(ALL_DRIFTS, data, tmp_path / "plain", recorder, plan=HEAD, epochs=1)
    assert any("unless `class_weights` is balanced" in note for note in recorder.notes)
    assert any("unless --class-weights is balanced" in line for line in cautions(read_report(tmp_path / "plain")))


@pytest.mark.parametrize(
    ("bundle", "options", "words"),
    [
        (EXITS, {"plan": EXIT_PLANS[0]}, "has no gradient graph that takes `class_weights`"),
        (SPARSE, {"compute_budget": 1.0}, "has no gradient graph that takes `class_weights`"),
        (ALL_DRIFTS, {"plan": HEAD, "class_weights": "equal"}, "`class_weights` 'equal' is not known"),
    ],
)
def test_what_is_refused(bundle: str, options: dict[str, Any], words: str, squares: Path, tmp_path: Path) -> None:
    """Plans that train with labels alone, and other words."""
    with pytest.raises(TbftError) as caught:
        fine_tune(bundle, squares, tmp_path / "run", **{"class_weights": "balanced", "epochs": 1, **options})
    assert words in caught.value.message
    assert not (tmp_path / "run").exists()
