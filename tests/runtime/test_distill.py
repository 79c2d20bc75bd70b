"""Learning without forgetting: the old model's answers are a part of what is learned, and nothing has to be shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.bundles import EVERYTHING, EXIT_PLANS, EXITS, HEAD, KEPT, KEPT_ADAPT, LAST, SPARSE, compiled
from support.runs import Recorder, assert_equal_runs, fine_tune, state_of, tensors_of
from support.toys import COLOURS, OLD_COLOURS, coloured_squares
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_runtime import Silent
from tbft_runtime.data.dataset import Part
from tbft_runtime.inference.model import open_whole
from tbft_runtime.kept.images import NOTHING_KEPT
from tbft_runtime.kept.mixing import MixedBatch
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.state import TrainingState
from tbft_runtime.softmax import softmax
from tbft_runtime.training.distillation import OldAnswers
from tbft_runtime.training.fine_tuning import FineTuning
from tbft_runtime.training.teaching import ByLabels

# Colours of which the network knows something already: so its answers say more than one class.
BETWEEN = (COLOURS + OLD_COLOURS) // 2


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images, labels = coloured_squares(48, seed=7, colours=BETWEEN)
    path = tmp_path_factory.mktemp("between") / "between.npz"
    np.savez(path, images=images, labels=labels)
    return path


def test_targets_are_label_and_old_answer_in_parts() -> None:
    """In the order of the batch, those of remembered images too."""
    own, kept = np.array([[0.75, 0.25], [0.5, 0.5]], np.float32), np.array([[0.0, 1.0]], np.float32)
    train = Part(None, np.array([4, 9]), None)  # type: ignore[arg-type]  (only its indices are used)
    batch = MixedBatch(np.array([9, 4]), np.array([0]), np.array([2, 0, 1]))
    bundle = open_bundle(compiled(KEPT))
    settings = resolve(TrainOptions(data="", out="", distill=0.5), bundle.plan(LAST), bundle)
    teaching = ByLabels(train, settings, 2)
    teaching.remember(NOTHING_KEPT, OldAnswers(own, kept))
    found = teaching._targets(batch, np.array([1, 0, 1]))
    assert found.targets.tolist() == [[0, 1], [0.75, 0.25], [0.375, 0.625]]
    assert not found.information.any()
    assert not found.log_marginal.any()


@pytest.mark.parametrize("plan", [LAST, EVERYTHING])
def test_old_answers_are_those_of_the_bundle(
    plan: str, tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a frozen part as well as of the whole network."""
    asked: list[OldAnswers] = []
    tunings: list[FineTuning] = []

    def remember(self: FineTuning, state: TrainingState) -> OldAnswers:
        asked.append(ask(self, state))
        tunings.append(self)
        return asked[-1]

    ask = FineTuning._old_answers
    monkeypatch.setattr(FineTuning, "_old_answers", remember)
    fine_tune(KEPT, squares, tmp_path / "run", plan=plan, epochs=1, distill=0.5)
    images, _ = coloured_squares(48)
    (tuning,) = tunings
    expected = softmax(open_whole(compiled(KEPT), 1).logits(images[tuning.data.train.indices]))
    assert np.allclose(asked[0].own, expected, atol=1e-4)
    assert len(asked[0].kept) == open_bundle(compiled(KEPT)).plan(plan).kept


def test_less_is_forgotten(tmp_path: Path, between: Path) -> None:
    """Than with labels alone, and the new data is learned all the same."""
    plain = fine_tune(KEPT, between, tmp_path / "plain", plan=LAST, epochs=5)
    result = fine_tune(KEPT, between, tmp_path / "run", plan=LAST, epochs=5, distill=0.5)
    assert plain.old is not None
    assert result.old is not None
    assert (result.old.accuracy_after or 0) >= (plain.old.accuracy_after or 0) + 0.1
    assert (result.accuracy_after or 0) >= (result.accuracy_before or 0)


def test_nothing_of_the_old_answer_is_a_plain_run(tmp_path: Path, squares: Path) -> None:
    fine_tune(KEPT, squares, tmp_path / "plain", plan=LAST, epochs=2)
    fine_tune(KEPT, squares, tmp_path / "zero", plan=LAST, epochs=2, distill=0.0)
    assert_equal_runs(tmp_path / "zero", tmp_path / "plain")


@pytest.mark.parametrize(
    ("bundle", "options"),
    [
        (KEPT, {"plan": LAST}),
        (KEPT, {"plan": EVERYTHING, "remember": 0.3}),
        (KEPT, {"plan": LAST, "remember": 0.3}),
        (KEPT_ADAPT, {"remember": 0.3}),
        ("feature-batch", {}),
    ],
)
def test_an_interrupted_run_asks_the_same_model(
    bundle: str, options: dict[str, Any], tmp_path: Path, squares: Path
) -> None:
    """The one from before training, and not that of the epoch in which it stopped."""
    asked = {**options, "epochs": 3, "distill": 0.4}
    fine_tune(bundle, squares, tmp_path / "whole", **asked)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(bundle, squares, tmp_path / "parts", Recorder(interrupt_epoch=3, interrupt_after=17), **asked)
    fine_tune(bundle, squares, tmp_path / "parts", resume=True, **asked)
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")


def test_training_accuracy_is_counted_by_labels(tmp_path: Path, squares: Path) -> None:
    """With next to nothing of the old answer it is that of a plain run."""
    fine_tune(KEPT, squares, tmp_path / "plain", plan=HEAD, epochs=2)
    fine_tune(KEPT, squares, tmp_path / "run", Silent(), plan=HEAD, epochs=2, distill=1e-6)
    plain, other = (state_of(tmp_path / name).epochs for name in ("plain", "run"))
    assert [epoch.train_accuracy for epoch in plain] == [epoch.train_accuracy for epoch in other]
    first, second = tensors_of(tmp_path / "plain"), tensors_of(tmp_path / "run")
    assert all(np.allclose(value, second[name], atol=1e-3) for name, value in first.items())


@pytest.mark.parametrize(
    ("bundle", "options", "words"),
    [
        (KEPT, {"plan": LAST, "distill": 1.0}, "not from 0 up to 1"),
        (KEPT, {"plan": LAST, "distill": -0.5}, "not from 0 up to 1"),
        (EXITS, {"plan": EXIT_PLANS[0], "distill": 0.5}, "no graph that takes targets"),
        (SPARSE, {"distill": 0.5}, "no graph that takes targets"),
    ],
)
def test_what_cannot_be_distilled_is_refused(
    bundle: str, options: dict[str, Any], words: str, tmp_path: Path, squares: Path
) -> None:
    with pytest.raises(TbftError, match=words):
        fine_tune(bundle, squares, tmp_path / "run", epochs=1, **options)
