"""Images without a label train where the plan says so, and never validate."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from support.bundles import compiled, compiled_copy, read_manifest
from support.toys import NO_LABEL, coloured_squares, save_squares
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_runtime import Silent, TrainOptions
from tbft_runtime.data.dataset import TrainingData, open_data, open_sources
from tbft_runtime.run.resolve import resolve
from tbft_runtime.timing import Stopwatch

LABELLED, UNLABELLED = 24, 16


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose plan takes images without a label; only its manifest is read here."""
    (plan,) = read_manifest(compiled("output-frozen")).plans
    plans = (msgspec.structs.replace(plan, unlabelled=True),)
    return compiled_copy("output-frozen", tmp_path_factory.mktemp("learner") / "bundle", plans=plans)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled and unlabelled images in turns, as they come."""
    images, labels = coloured_squares(LABELLED + UNLABELLED)
    labels[np.random.default_rng(0).permutation(len(labels))[:UNLABELLED]] = NO_LABEL
    path = tmp_path_factory.mktemp("mixed") / "mixed.npz"
    np.savez(path, images=images, labels=labels)
    return path


def data_of(bundle: Path, data: Path, cache: Path, validation: Path | None = None) -> TrainingData:
    opened = open_bundle(bundle)
    plan = opened.plan()
    settings = resolve(TrainOptions(data=data, out=cache, validation=validation), plan, opened)
    return open_data(plan, settings, open_sources(opened, settings), cache, Silent(), Stopwatch())


def test_they_train_beside_the_labelled_ones(learner: Path, mixed: Path, tmp_path: Path) -> None:
    """All of them; the labelled ones are divided as if they were alone, and images are numbered once each."""
    found = data_of(learner, mixed, tmp_path / "one")
    without = data_of(compiled("output-frozen"), mixed, tmp_path / "other")
    labels = found.train.labels(found.train.indices)
    assert (labels == NO_LABEL).sum() == UNLABELLED
    np.testing.assert_array_equal(found.train.indices[labels != NO_LABEL], without.train.indices)
    np.testing.assert_array_equal(found.validation.indices, without.validation.indices)
    assert (found.validation.labels(found.validation.indices) != NO_LABEL).all()
    assert not (without.train.labels(without.train.indices) == NO_LABEL).any()
    numbers = [part.numbers(part.indices) for part in (found.train, found.validation)]
    assert np.concatenate(numbers).tolist() == list(range(LABELLED + UNLABELLED))


def test_those_to_validate_on_need_labels(learner: Path, mixed: Path, tmp_path: Path) -> None:
    """Of validation images of their own the unlabelled ones are left out."""
    found = data_of(learner, mixed, tmp_path, mixed)
    assert (len(found.train), len(found.validation)) == (LABELLED + UNLABELLED, LABELLED)


def test_no_label_at_all_will_do_if_others_validate(learner: Path, tmp_path: Path) -> None:
    """Without any labelled image nothing says which epoch is best; the hint names the way out."""
    np.savez(tmp_path / "none.npz", images=coloured_squares(UNLABELLED)[0])
    with pytest.raises(TbftError, match="has a label") as caught:
        data_of(learner, tmp_path / "none.npz", tmp_path / "one")
    assert "`validation`" in caught.value.hint
    found = data_of(learner, tmp_path / "none.npz", tmp_path / "two", save_squares(tmp_path / "val.npz", 8))
    assert (len(found.train), len(found.validation)) == (UNLABELLED, 8)
    with pytest.raises(TbftError, match="has a label"):
        data_of(compiled("output-frozen"), tmp_path / "none.npz", tmp_path / "three", tmp_path / "val.npz")
