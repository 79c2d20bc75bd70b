"""Mirrored and shifted images: always the same ones for an epoch, others in the next, and what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.bundles import ALL_DRIFTS, FRONT, HEAD, LAST, compiled
from support.runs import Recorder, assert_equal_runs, fine_tune, history_of
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_edge.facts.cautions import cautions
from tbft_edge.facts.settings import how_trained
from tbft_runtime import read_report
from tbft_runtime.data.augmenting import augmented
from tbft_runtime.run.options import AUGMENTATIONS, Augmentation

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 33), st.integers(1, 33), st.sampled_from([1, 3]))


def seeds_of(count: int, seed: int = 0, epoch: int = 1) -> list[tuple[int, int, int]]:
    return [(seed, epoch, number) for number in range(count)]


def noise(size: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)


@given(SIZES)
def test_a_mirror_image_is_one(size: tuple[int, ...]) -> None:
    """Each image is itself or its mirror image, and there are both."""
    images = noise(size)
    for image, changed in zip(images, augmented(images, ("flip",), seeds_of(len(images))), strict=True):
        assert (changed == image).all() or (changed == image[:, ::-1]).all()
    few = noise((40, 8, 8, 3))
    mirrored = [
        (image != changed).any() for image, changed in zip(few, augmented(few, ("flip",), seeds_of(40)), strict=True)
    ]
    assert 10 < sum(mirrored) < 30


@given(SIZES)
def test_a_shift_is_an_eighth_at_most(size: tuple[int, ...]) -> None:
    """What was inside stays inside, moved as a whole; the rest is the image reflected at its edge."""
    images = noise(size)
    _, height, width, _ = size
    down, right = height // 8, width // 8
    padded = np.pad(images, ((0, 0), (down, down), (right, right), (0, 0)), mode="reflect")
    for index, changed in enumerate(augmented(images, ("shift",), seeds_of(len(images)))):
        places = [(top, left) for top in range(2 * down + 1) for left in range(2 * right + 1)]
        assert any((padded[index, top : top + height, left : left + width] == changed).all() for top, left in places)


def test_every_shift_occurs() -> None:
    """From -1/8 to 1/8 of each side, as often in each direction."""
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8)[:, None, None], (400, 32, 32, 1))
    changed = augmented(ramp, ("shift",), seeds_of(400))
    moved = changed[:, 16, 16, 0].astype(int) - 16
    assert set(moved) == set(range(-4, 5))
    assert abs(moved.mean()) < 0.5


def test_an_image_is_changed_alike_in_any_batch() -> None:
    """By run, epoch and image alone: in another order, alone, and in another process."""
    images, seeds = noise((12, 16, 16, 3)), seeds_of(12)
    whole = augmented(images, AUGMENTATIONS, seeds)
    order = np.random.default_rng(3).permutation(12)
    np.testing.assert_array_equal(
        augmented(images[order], AUGMENTATIONS, [seeds[index] for index in order]), whole[order]
    )
    np.testing.assert_array_equal(augmented(images[5:6], AUGMENTATIONS, seeds[5:6]), whole[5:6])
    for other in (seeds_of(12, epoch=2), seeds_of(12, seed=1)):
        assert (augmented(images, AUGMENTATIONS, other) != whole).any()
    # Neither kind changes what the other one does.
    flipped = augmented(augmented(images, ("shift",), seeds), ("flip",), seeds)
    np.testing.assert_array_equal(flipped, whole)


@pytest.mark.parametrize("plan", [FRONT, LAST])
def test_it_resumes_bit_for_bit(plan: str, squares: Path, tmp_path: Path) -> None:
    """Before the block and at the input; the order of the images is that of a run without."""
    options: dict[str, Any] = {"plan": plan, "epochs": 3, "augment": "flip,shift"}
    fine_tune(ALL_DRIFTS, squares, tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(ALL_DRIFTS, squares, tmp_path / "parts", Recorder(2, 17), **options)
    fine_tune(ALL_DRIFTS, squares, tmp_path / "parts", resume=True)
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")
    fine_tune(ALL_DRIFTS, squares, tmp_path / "plain", plan=plan, epochs=3)
    assert history_of(tmp_path / "plain") != history_of(tmp_path / "whole")


@pytest.mark.parametrize("plan", [LAST, HEAD])
def test_what_it_costs_is_said(plan: str, squares: Path, tmp_path: Path) -> None:
    """The frozen part runs in each epoch, for every image that trains or validates."""
    recorder = Recorder()
    result = fine_tune(ALL_DRIFTS, squares, tmp_path / "run", recorder, plan=plan, epochs=2, augment="flip")
    each = open_bundle(compiled(ALL_DRIFTS)).plan(plan).cost.prefix_flops
    assert result.recomputed_flops == 48 * each
    assert result.cache.format == "off"
    assert result.cache.reason == "augmented images are others in each epoch"
    figure = f"{48 * each / 1e6:,.1f} MFLOP"
    assert [note for note in recorder.notes if figure in note and "`augment`" in note]
    report = read_report(tmp_path / "run")
    assert [line for line in cautions(report) if figure in line and "--augment" in line]
    assert ("images changed by", "flip") in [(fact.name, fact.figure) for fact in how_trained(report).facts]


def test_at_the_input_it_costs_nothing(squares: Path, tmp_path: Path) -> None:
    """Nothing is frozen before: nothing was kept anyway."""
    recorder = Recorder()
    result = fine_tune(ALL_DRIFTS, squares, tmp_path / "run", recorder, plan=FRONT, epochs=1, augment="shift")
    assert result.recomputed_flops is None
    assert not any("`augment`" in note for note in recorder.notes)


def test_images_that_validate_stay_as_they_are(squares: Path, tmp_path: Path) -> None:
    """With a rate of 0 nothing is learned, and the validation loss is that of a run without."""
    options: dict[str, Any] = {"plan": HEAD, "epochs": 2, "lr": 0.0}
    fine_tune(ALL_DRIFTS, squares, tmp_path / "plain", **options)
    fine_tune(ALL_DRIFTS, squares, tmp_path / "run", augment="flip,shift", **options)
    plain, changed = history_of(tmp_path / "plain"), history_of(tmp_path / "run")
    assert [epoch[3] for epoch in plain] == [epoch[3] for epoch in changed]
    assert [epoch[1] for epoch in plain] != [epoch[1] for epoch in changed]


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "another way": (ALL_DRIFTS, {"augment": "flip,turn", "plan": HEAD}, "'turn' is no way"),
    "nothing": (ALL_DRIFTS, {"augment": "", "plan": HEAD}, "'' is no way"),
    "a cache": (ALL_DRIFTS, {"augment": "flip", "plan": HEAD, "cache": "fp16"}, "`cache` fp16"),
    "no epoch": ("feature-adapt", {"augment": "flip", "epochs": 0, "batch_norm": "adapt"}, "`epochs` 0"),
    "a sensor": ("motion", {"augment": "shift", "plan": HEAD}, "windows of a sensor"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(what: str, squares: Path, tmp_path: Path) -> None:
    """In one line, before anything is read."""
    bundle, options, words = REFUSED[what]
    with pytest.raises(TbftError) as caught:
        fine_tune(bundle, squares, tmp_path / "run", **{"epochs": 1, **options})
    assert words in caught.value.message
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_as_it_began(squares: Path, tmp_path: Path) -> None:
    """With the same images changed, or none."""
    kinds: tuple[Augmentation, ...] = ("flip", "shift")
    fine_tune(ALL_DRIFTS, squares, tmp_path / "run", plan=HEAD, epochs=1, augment=",".join(kinds))
    for other in ("flip", "shift"):
        with pytest.raises(TbftError, match="`augment`"):
            fine_tune(ALL_DRIFTS, squares, tmp_path / "run", epochs=2, augment=other, resume=True)
    assert fine_tune(ALL_DRIFTS, squares, tmp_path / "run", epochs=2, augment="shift,flip", resume=True).epochs == 2
