"""`label_smoothing`: a part of what each label says is spread evenly over all classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.bundles import ALL_DRIFTS, EXIT_PLANS, EXITS, FRONT, KEPT, LAST, SPARSE
from support.runs import Recorder, assert_equal_runs, fine_tune
from support.toys import coloured_squares
from tbft_artifacts.errors import TbftError
from tbft_edge.facts.settings import how_trained
from tbft_runtime import Predictor, read_report
from tbft_runtime.training.class_weights import weighted
from tbft_runtime.training.targets import smoothed


@given(st.lists(st.integers(0, 4), min_size=1, max_size=20), st.floats(0.01, 0.99))
def test_rows_weigh_what_they_did(labels: list[int], part: float) -> None:
    """The label keeps the rest of it and its share of the part; every other class has that share."""
    weights = np.array([0.5, 1, 2, 0, 3], np.float32)
    found = smoothed(weighted(np.array(labels), weights), part).targets
    for row, label in zip(found, labels, strict=True):
        others = np.full(5, part / 5 * weights[label])
        others[label] += (1 - part) * weights[label]
        np.testing.assert_allclose(row, others, rtol=1e-5)
        assert row.sum() == pytest.approx(weights[label], rel=1e-5)


def test_nothing_spread_is_a_plain_run(tmp_path: Path, squares: Path) -> None:
    fine_tune(ALL_DRIFTS, squares, tmp_path / "plain", plan=LAST, epochs=2)
    fine_tune(ALL_DRIFTS, squares, tmp_path / "zero", plan=LAST, epochs=2, label_smoothing=0.0)
    assert_equal_runs(tmp_path / "zero", tmp_path / "plain")


def test_answers_become_less_sure(tmp_path: Path, squares: Path) -> None:
    """And no fewer of them right; the report tells of it."""
    images, labels = coloured_squares(48, seed=11)
    sure, right = {}, {}
    for part in (0.0, 0.3):
        run = tmp_path / str(part)
        fine_tune(ALL_DRIFTS, squares, run, plan=LAST, epochs=10, label_smoothing=part)
        found = Predictor.open(run, threads=1).predict(images).probabilities
        sure[part], right[part] = found.max(axis=1).mean(), (found.argmax(axis=1) == labels).mean()
    assert sure[0.3] < sure[0.0] - 0.05
    assert right[0.3] >= right[0.0]
    told = [(fact.name, fact.figure) for fact in how_trained(read_report(tmp_path / "0.3")).facts]
    assert ("label smoothing", "30.0% of what labels say") in told


@pytest.mark.parametrize("others", [{}, {"class_weights": "balanced"}, {"distill": 0.3, "remember": 0.3}])
def test_it_resumes_bit_for_bit(others: dict[str, Any], tmp_path: Path, squares: Path) -> None:
    """Together with what else makes targets of labels."""
    asked = {"plan": LAST, "epochs": 3, "label_smoothing": 0.1, **others}
    fine_tune(KEPT, squares, tmp_path / "whole", **asked)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(KEPT, squares, tmp_path / "parts", Recorder(2, 17), **asked)
    fine_tune(KEPT, squares, tmp_path / "parts", resume=True)
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")
    with pytest.raises(TbftError, match=r"`label_smoothing` 0\.2"):
        fine_tune(KEPT, squares, tmp_path / "parts", resume=True, label_smoothing=0.2)


@pytest.mark.parametrize(
    ("bundle", "options", "words"),
    [
        (KEPT, {"plan": LAST, "label_smoothing": 1.0}, "not from 0 up to 1"),
        (KEPT, {"plan": LAST, "label_smoothing": -0.1}, "not from 0 up to 1"),
        (KEPT, {"plan": LAST, "label_smoothing": float("nan")}, "not from 0 up to 1"),
        (EXITS, {"plan": EXIT_PLANS[0], "label_smoothing": 0.1}, "no graph that takes targets"),
        (SPARSE, {"label_smoothing": 0.1}, "no graph that takes targets"),
        (
            KEPT,
            {"plan": FRONT, "labels": "none", "label_smoothing": 0.1},
            "`label_smoothing` is for training with",
        ),
    ],
)
def test_what_cannot_be_smoothed_is_refused(
    bundle: str, options: dict[str, Any], words: str, tmp_path: Path, squares: Path
) -> None:
    with pytest.raises(TbftError, match=words):
        fine_tune(bundle, squares, tmp_path / "run", epochs=1, **options)
