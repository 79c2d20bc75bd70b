"""Options that change what images are to be answered with, together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.bundles import ALL_DRIFTS, FRONT, HEAD, KEPT, LAST, compiled, read_manifest, write_manifest
from support.runs import fine_tune, state_of
from support.toys import coloured_squares
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError


@pytest.fixture
def renamed(tmp_path: Path) -> Path:
    """Squares under other names, few of each."""
    images, labels = coloured_squares(48)
    np.savez(tmp_path / "renamed.npz", images=images, labels=(labels + 1) % 4)
    return tmp_path / "renamed.npz"


def test_without_labels_no_head_is_made_of_them(renamed: Path, tmp_path: Path) -> None:
    """A method's plan of the last layer says of no drift what it is for."""
    import shutil

    from msgspec.structs import replace

    shutil.copytree(compiled(ALL_DRIFTS), tmp_path / "bundle")
    manifest = read_manifest(tmp_path / "bundle")
    plans = tuple(replace(plan, drift=None) if plan.id == HEAD else plan for plan in manifest.plans)
    write_manifest(tmp_path / "bundle", manifest, plans=plans)
    result = fine_tune(tmp_path / "bundle", renamed, tmp_path / "run", plan=HEAD, labels="none", epochs=1)
    assert result.learned is None
    assert result.accuracy_after is not None
    assert result.accuracy_after < 0.5


def test_without_labels_kept_activations_say_nothing(squares: Path, tmp_path: Path) -> None:
    """They are of statistics that are re-estimated then."""
    result = fine_tune(KEPT, squares, tmp_path / "run", plan=LAST, labels="none", epochs=1)
    assert result.old is None
    assert result.labels == "none"


def test_changed_images_are_joined_with_kept_activations(squares: Path, tmp_path: Path) -> None:
    result = fine_tune(KEPT, squares, tmp_path / "run", plan=LAST, remember=0.3, augment="flip", epochs=1)
    assert result.epochs == 1


def test_classes_that_are_only_remembered_weigh_as_much(tmp_path: Path) -> None:
    """Balanced over what an epoch sees, old data is remembered as well as without."""
    images, labels = coloured_squares(80)
    two = labels < 2
    np.savez(tmp_path / "two.npz", images=images[two], labels=labels[two])
    options = {"plan": HEAD, "remember": 0.5, "epochs": 3}
    plain = fine_tune(KEPT, tmp_path / "two.npz", tmp_path / "plain", **options)
    even = fine_tune(KEPT, tmp_path / "two.npz", tmp_path / "even", class_weights="balanced", **options)
    assert plain.old is not None
    assert even.old is not None
    assert even.old.accuracy_after is not None
    assert plain.old.accuracy_after is not None
    assert even.old.accuracy_after >= plain.old.accuracy_after - 0.1


def test_old_answers_are_found_again(squares: Path, tmp_path: Path) -> None:
    """With re-estimated statistics, of which some move on, too."""
    options = {"batch_norm": "adapt", "distill": 0.5}
    fine_tune("feature-block", squares, tmp_path / "whole", epochs=3, **options)
    fine_tune("feature-block", squares, tmp_path / "parts", epochs=1, **options)
    fine_tune("feature-block", squares, tmp_path / "parts", epochs=3, resume=True)
    whole, parts = state_of(tmp_path / "whole"), state_of(tmp_path / "parts")
    for name, value in whole.current.items():
        np.testing.assert_array_equal(parts.current[name], value, err_msg=name)


def test_without_labels_nothing_is_remembered(squares: Path, tmp_path: Path) -> None:
    bundle = open_bundle(compiled(KEPT))
    assert all(plan.kept > 1 for plan in bundle.manifest.plans)
    with pytest.raises(TbftError, match="`remember`"):
        fine_tune(KEPT, squares, tmp_path / "run", plan=FRONT, labels="none", remember=0.5)
