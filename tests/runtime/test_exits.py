"""A network with exits: trained from kept features, calibrated on the device, and answering where it is sure."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import EXIT_PLANS, EXITS, compiled
from support.runs import Recorder, assert_equal_runs, fine_tune, state_of
from support.toys import NO_LABEL, coloured_squares
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.names import LOGITS
from tbft_runtime import TrainResult, evaluate, finalize, predict
from tbft_runtime.exits.policy import confidence, leaving
from tbft_runtime.exits.staged import StagedModel
from tbft_runtime.graphs.sessions import Graph, Tensors
from tbft_runtime.inference.model import open_model, open_whole
from tbft_runtime.reporting.read import read_report
from tbft_runtime.run.exit_answers import ExitAnswers
from tbft_runtime.run.folder import RunFolder

LABELS, CONFIDENT, DISTILL = EXIT_PLANS
IMAGES, TRUE = coloured_squares(60, seed=3)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that no run has seen."""
    path = tmp_path_factory.mktemp("others") / "others.npz"
    np.savez(path, images=IMAGES, labels=TRUE)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mixed: Path) -> tuple[TrainResult, Path]:
    """A run and its result; tests only read it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    return fine_tune(EXITS, mixed, run, plan=DISTILL, epochs=4, val_fraction=0.5, exit_accuracy=0.9), run


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory, mixed: Path) -> Path:
    """A run whose threshold half of `IMAGES` reach at the first exit: of two images that say so, one has to go on."""
    run = tmp_path_factory.mktemp("spread") / "run"
    fine_tune(EXITS, mixed, run, plan=DISTILL, epochs=1)
    threshold = float(np.median(confidence(staged(run).every_exit(IMAGES))[:, 0]))
    state = state_of(run)
    sure = np.array([[threshold + 0.01, 0.1, 0.1], [threshold - 0.01, 0.1, 0.1]])
    state.exits = ExitAnswers(sure, np.array([[True, True, True], [False, True, True]]))
    RunFolder(run).write_state(state)
    return run


def staged(run: Path) -> StagedModel:
    model = open_model(run, 1)
    assert isinstance(model, StagedModel)
    return model


@pytest.mark.parametrize("plan", EXIT_PLANS)
def test_only_exits_are_trained(plan: str, mixed: Path, tmp_path: Path) -> None:
    """The network itself, its own head included, stays as it is; every exit moves."""
    result = fine_tune(EXITS, mixed, tmp_path / "run", plan=plan, epochs=2)
    bundle = open_bundle(compiled(EXITS))
    base, current = load_file(bundle.weights), state_of(tmp_path / "run").current
    assert set(current) == {parameter.name for parameter in bundle.plan(plan).parameters}
    assert all(name.startswith("exits.") and not np.array_equal(value, base[name]) for name, value in current.items())
    assert result.cache.cached_images == result.train_images + result.validation_images
    assert (result.unlabelled_images, result.train_images) == (40, 72 if plan != LABELS else 32)


def test_without_labels_nothing_is_learned_where_the_plan_says_so(mixed: Path, tmp_path: Path) -> None:
    """Weights are those of a run on the labelled images alone, bit for bit; where the plan learns from them, not."""
    images, labels = coloured_squares(40)
    np.savez(tmp_path / "half.npz", images=images, labels=labels)
    for plan in (LABELS, DISTILL):
        for data in (mixed, tmp_path / "half.npz"):
            fine_tune(EXITS, data, tmp_path / plan / data.stem, plan=plan, epochs=2)
    assert_equal_runs(tmp_path / LABELS / "mixed", tmp_path / LABELS / "half")
    both = [state_of(tmp_path / DISTILL / name).current["exits.0.weight"] for name in ("mixed", "half")]
    assert not np.array_equal(*both)


def test_training_accuracy_counts_labelled_images(mixed: Path, tmp_path: Path) -> None:
    """Where half of the images have no label, the accuracy still goes up to 1; where none has one, there is none."""
    fine_tune(EXITS, mixed, tmp_path / "run", plan=DISTILL, epochs=1, lr=0.0)
    (epoch,) = state_of(tmp_path / "run").epochs
    found = staged(tmp_path / "run").every_exit(np.load(mixed)["images"][:40])[:, -1].argmax(axis=1)
    right = found == np.load(mixed)["labels"][:40]
    assert epoch.train_accuracy is not None
    # 8 of the 40 validate: 15 % of each class, rounded.
    assert round(32 * epoch.train_accuracy) == right.sum() - round(8 * epoch.validation.accuracy)

    np.savez(tmp_path / "none.npz", images=IMAGES)
    result = fine_tune(EXITS, tmp_path / "none.npz", tmp_path / "other", plan=DISTILL, validation=mixed, epochs=1)
    assert state_of(tmp_path / "other").epochs[0].train_accuracy is None
    assert (result.train_images, result.validation_images) == (60, 40)
    assert read_report(tmp_path / "other").epochs[0].train_accuracy is None


def test_the_result_is_what_the_validation_images_get(trained: tuple[TrainResult, Path], mixed: Path) -> None:
    """What `train` says of each exit, counted again by the run's own stages on the same images."""
    result, run = trained
    held_out = np.load(mixed)["labels"] != NO_LABEL
    assert result.exits is not None
    early = result.exits.early
    assert (result.exits.wanted, early.images) == (0.9, 20)
    assert result.accuracy_after == early.full_accuracy == early.exits[-1].accuracy
    assert [found.name for found in early.exits] == ["conv1", "layer1", "fc"]
    assert read_report(run).result.exits == result.exits
    state = state_of(run)
    assert state.exits is not None
    logits = staged(run).every_exit(np.load(mixed)["images"][held_out])
    # Which half validates is not told; all of its confidences are among those of all labelled images.
    known = np.sort(confidence(logits), axis=0)
    for number in range(3):
        places = np.searchsorted(known[:, number], state.exits.confidence[:, number] - 1e-6)
        np.testing.assert_allclose(known[places, number], state.exits.confidence[:, number], atol=1e-5)
    assert early.threshold == staged(run).threshold


def test_each_image_leaves_at_the_first_exit_that_is_sure(spread: Path, others: Path) -> None:
    """Answers, exits and rates are those of the policy on all logits, in batches and one by one."""
    model = staged(spread)
    logits = model.every_exit(IMAGES)
    left = leaving(confidence(logits), model.threshold)
    assert len(set(left.tolist())) > 1
    names = [model.exits[number].name for number in left]
    together = model.answers(IMAGES)
    assert together.exits == names
    np.testing.assert_allclose(together.logits, logits[np.arange(60), left], atol=1e-5)
    alone = [model.answers(IMAGES[number : number + 1]) for number in range(60)]
    assert [answer.exits[0] for answer in alone] == names

    predictions = list(predict(spread, [others], 1))
    assert [found.exit for found in predictions] == names
    found = evaluate(spread, others, 1)
    assert found.exits is not None
    assert found.exits.threshold == model.threshold
    assert {share.name: round(60 * share.share) for share in found.exits.exits if share.share} == Counter(names)
    right = logits[np.arange(60), left].argmax(axis=1) == TRUE
    assert found.accuracy == found.exits.accuracy == right.mean()
    assert found.exits.full_accuracy == (logits[:, -1].argmax(axis=1) == TRUE).mean()
    assert found.single is not None
    assert found.single.early is not None
    assert found.single.early.images == found.single.whole.images == 60
    assert found.single.speedup


class NoNumbers(Graph):
    """A stage whose exit says nothing of the first image of a batch."""

    def __init__(self, stage: Graph) -> None:
        self.stage, self.inputs = stage, stage.inputs

    def run(self, feeds: Tensors) -> dict[str, np.ndarray]:
        found = self.stage.run(feeds)
        found[LOGITS][0] = np.nan
        return found


def test_an_exit_that_says_nothing_is_not_sure(spread: Path) -> None:
    """An image whose logits are no numbers goes on, as the policy counts it, to an exit that can tell."""
    model = staged(spread)
    broken = replace(model, stages=[NoNumbers(model.stages[0]), *model.stages[1:]], threshold=0.0)
    assert leaving(confidence(broken.every_exit(IMAGES[:3])), 0.0).tolist() == [1, 0, 0]
    answers = broken.answers(IMAGES[:3])
    assert answers.exits == [model.exits[number].name for number in (1, 0, 0)]
    assert np.isfinite(answers.logits).all()


def test_the_file_answers_at_the_end(trained: tuple[TrainResult, Path], others: Path, tmp_path: Path) -> None:
    """A finalized model is the last exit, and says which ones it leaves out."""
    _, run = trained
    finalized = finalize(run, tmp_path / "model.onnx", allow_worse=True)
    assert finalized.left_out == ("conv1", "layer1")
    expected = staged(run).every_exit(IMAGES)[:, -1]
    np.testing.assert_allclose(open_whole(run, 1).logits(IMAGES), expected, atol=1e-5)
    np.testing.assert_allclose(open_whole(tmp_path / "model.onnx", 1).logits(IMAGES), expected, atol=1e-5)
    assert {found.exit for found in predict(tmp_path / "model.onnx", [others], 1)} == {None}
    assert evaluate(tmp_path / "model.onnx", others, 1).exits is None


def test_the_last_exit_begins_as_the_own_head(mixed: Path, tmp_path: Path) -> None:
    """So accuracy before training is the model's own."""
    result = fine_tune(EXITS, mixed, tmp_path / "run", plan=LABELS, epochs=1, lr=0.0, validation=mixed)
    labelled = np.load(mixed)["labels"] != NO_LABEL
    logits = open_whole(compiled(EXITS), 1).logits(np.load(mixed)["images"][labelled])
    assert result.accuracy_before == (logits.argmax(axis=1) == np.load(mixed)["labels"][labelled]).mean()


def test_an_interrupted_run_goes_on_bit_for_bit(mixed: Path, tmp_path: Path) -> None:
    """With what every exit said of the validation images; and between the two it answers already."""
    fine_tune(EXITS, mixed, tmp_path / "whole", plan=DISTILL, epochs=3)
    recorder = Recorder(interrupt_epoch=2, interrupt_after=8)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(EXITS, mixed, tmp_path / "parts", recorder, plan=DISTILL, epochs=3)
    assert staged(tmp_path / "parts").answers(IMAGES[:4]).logits.shape == (4, 4)
    fine_tune(EXITS, mixed, tmp_path / "parts", plan=DISTILL, epochs=3, resume=True)
    assert_equal_runs(tmp_path / "whole", tmp_path / "parts")
    whole, parts = (state_of(tmp_path / name).exits for name in ("whole", "parts"))
    assert whole is not None
    assert parts is not None
    np.testing.assert_array_equal(whole.confidence, parts.confidence)
    np.testing.assert_array_equal(whole.right, parts.right)


@pytest.mark.parametrize("cache", [{"cache": "off"}, {"cache_in": "ram"}])
def test_where_features_are_kept_makes_no_difference(cache: dict[str, str], mixed: Path, tmp_path: Path) -> None:
    fine_tune(EXITS, mixed, tmp_path / "one", plan=DISTILL, epochs=2)
    fine_tune(EXITS, mixed, tmp_path / "other", plan=DISTILL, epochs=2, **cache)
    assert_equal_runs(tmp_path / "one", tmp_path / "other")


def test_another_accuracy_can_be_wanted_later(mixed: Path, tmp_path: Path) -> None:
    """Without training anew: the finished run goes on to nothing, and the threshold is another."""
    first = fine_tune(EXITS, mixed, tmp_path / "run", plan=DISTILL, epochs=2, exit_accuracy=1.0)
    before = state_of(tmp_path / "run")
    again = fine_tune(EXITS, mixed, tmp_path / "run", plan=DISTILL, resume=True, exit_accuracy=0.3)
    assert first.exits is not None
    assert again.exits is not None
    assert (first.exits.wanted, again.exits.wanted) == (1.0, 0.3)
    assert again.exits.early.mean_flops <= first.exits.early.mean_flops
    assert staged(tmp_path / "run").threshold == again.exits.early.threshold
    np.testing.assert_array_equal(state_of(tmp_path / "run").best["exits.0.weight"], before.best["exits.0.weight"])


def test_statistics_may_be_estimated_anew_first(mixed: Path, tmp_path: Path) -> None:
    """Exits are then trained on what the network makes with them, and stages compute with them, too."""
    result = fine_tune(EXITS, mixed, tmp_path / "run", plan=DISTILL, epochs=2, batch_norm="adapt", validation=mixed)
    logits = staged(tmp_path / "run").every_exit(np.load(mixed)["images"][:40])
    assert result.exits is not None
    accuracies = (logits.argmax(axis=2) == np.load(mixed)["labels"][:40, np.newaxis]).mean(axis=0)
    assert [found.accuracy for found in result.exits.early.exits] == accuracies.tolist()
    only = fine_tune(EXITS, mixed, tmp_path / "only", plan=DISTILL, epochs=0, batch_norm="adapt", validation=mixed)
    assert only.exits is not None
    logits = staged(tmp_path / "only").every_exit(np.load(mixed)["images"][:40])
    accuracies = (logits.argmax(axis=2) == np.load(mixed)["labels"][:40, np.newaxis]).mean(axis=0)
    assert [found.accuracy for found in only.exits.early.exits] == accuracies.tolist()


def test_the_bundle_itself_is_the_model_as_it_was(others: Path) -> None:
    """Nothing answers early before it was trained and calibrated."""
    found = evaluate(compiled(EXITS), others, 1)
    assert (found.exits, found.single) == (None, None)
    logits = open_whole(compiled(EXITS), 1).logits(IMAGES)
    assert found.accuracy == (logits.argmax(axis=1) == TRUE).mean()
