"""Kept images of the source domain: what a run says of them, and batches in which some are remembered."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from support.bundles import EVERYTHING, FRONT, HEAD, KEPT, KEPT_ADAPT, LAST, compiled, read_manifest, write_manifest
from support.runs import Recorder, assert_equal_runs, fine_tune, state_of
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.kept import kept_file
from tbft_runtime import TrainOptions
from tbft_runtime.data.dataset import Part
from tbft_runtime.kept.images import KeptImages, load_kept
from tbft_runtime.kept.mixing import mixed_batches, own_images
from tbft_runtime.reporting.read import read_report
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.settings import Settings

EACH, CLASSES = 10, 4


def kept_of(plan: str) -> KeptImages:
    bundle = open_bundle(compiled(KEPT))
    return load_kept(bundle, bundle.plan(plan))


def settings(**changes: Any) -> Settings:
    bundle = open_bundle(compiled(KEPT))
    plan = bundle.plan(LAST)
    found = resolve(TrainOptions(data="photos", out="run", plan=LAST), plan, bundle)
    return msgspec.structs.replace(found, **changes)


# What is forgotten, and kept


@pytest.mark.parametrize("plan", [LAST, EVERYTHING])
def test_without_remembering_the_old_data_is_forgotten_and_the_run_says_so(
    plan: str, tmp_path: Path, squares: Path
) -> None:
    result = fine_tune(KEPT, squares, tmp_path / "run", plan=plan, epochs=6)
    assert result.accuracy_after is not None
    assert result.accuracy_after >= 0.75
    assert result.old is not None
    assert result.old.accuracy_before == 1
    assert result.old.accuracy_after is not None
    assert result.old.accuracy_after <= 0.5
    assert read_report(tmp_path / "run").result.old == result.old


def test_remembering_keeps_the_old_and_learns_the_new(tmp_path: Path, squares: Path) -> None:
    """On images that no batch had."""
    plain = fine_tune(KEPT, squares, tmp_path / "plain", plan=LAST, epochs=6)
    result = fine_tune(KEPT, squares, tmp_path / "run", plan=LAST, epochs=6, remember=0.4)
    assert plain.old is not None
    assert result.old is not None
    assert result.old.remember == 0.4
    assert (result.old.accuracy_after or 0) >= (plain.old.accuracy_after or 0) + 0.4
    assert (result.accuracy_after or 0) >= (result.accuracy_before or 0) + 0.5


def test_a_plan_with_adapted_statistics_remembers_pixels(tmp_path: Path, squares: Path) -> None:
    """They go through the frozen part as it is adapted; activations from before would fit no more."""
    result = fine_tune(KEPT_ADAPT, squares, tmp_path / "run", epochs=6, remember=0.4)
    assert result.old is not None
    assert (result.old.accuracy_after or 0) >= 0.5
    assert result.old.blends == ()


def test_activations_say_nothing_once_statistics_are_adapted(tmp_path: Path, squares: Path) -> None:
    recorder = Recorder()
    result = fine_tune(KEPT, squares, tmp_path / "run", recorder, plan=HEAD, epochs=1, batch_norm="adapt")
    assert result.old is None
    assert any("nothing is said of what is forgotten" in note for note in recorder.notes)


def test_a_bundle_without_kept_images_says_nothing_of_them(tmp_path: Path, squares: Path) -> None:
    assert fine_tune("output-frozen", squares, tmp_path / "run", epochs=1).old is None


# Nothing but the data and the seed decides


def test_to_remember_nothing_changes_no_bit(tmp_path: Path, squares: Path) -> None:
    fine_tune(KEPT, squares, tmp_path / "plain", plan=LAST, epochs=2)
    fine_tune(KEPT, squares, tmp_path / "zero", plan=LAST, epochs=2, remember=0.0)
    assert_equal_runs(tmp_path / "zero", tmp_path / "plain")


@pytest.mark.parametrize("plan", [LAST, EVERYTHING])
def test_an_interrupted_run_remembers_the_same(plan: str, tmp_path: Path, squares: Path) -> None:
    """Whether activations or pixels are kept; what lies between base model and best state, too."""
    asked = {"plan": plan, "epochs": 3, "remember": 0.3}
    fine_tune(KEPT, squares, tmp_path / "whole", **asked)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(KEPT, squares, tmp_path / "parts", Recorder(interrupt_epoch=2, interrupt_after=17), **asked)
    fine_tune(KEPT, squares, tmp_path / "parts", resume=True, **asked)
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")
    first, second = state_of(tmp_path / "parts"), state_of(tmp_path / "whole")
    assert (first.old_before, first.old_after, first.blends) == (second.old_before, second.old_after, second.blends)


def test_the_cache_changes_no_bit(tmp_path: Path, squares: Path) -> None:
    for cache in ("off", "fp32"):
        fine_tune(KEPT, squares, tmp_path / cache, plan=LAST, epochs=2, remember=0.3, cache=cache)
    assert_equal_runs(tmp_path / "off", tmp_path / "fp32")


def test_another_part_is_another_run(tmp_path: Path, squares: Path) -> None:
    fine_tune(KEPT, squares, tmp_path / "run", plan=LAST, epochs=1, remember=0.3)
    with pytest.raises(TbftError, match=r"`remember` 0\.4 differs"):
        fine_tune(KEPT, squares, tmp_path / "run", plan=LAST, epochs=2, remember=0.4, resume=True)


# Which images


@pytest.mark.parametrize("plan", [FRONT, LAST, HEAD])
def test_half_of_each_class_is_measured_on_and_the_other_half_remembered(plan: str) -> None:
    kept = kept_of(plan)
    assert not set(kept.measured) & set(kept.remembered)
    for part in (kept.measured, kept.remembered):
        assert np.bincount(kept.labels(part), minlength=CLASSES).tolist() == [EACH // 2] * CLASSES


@given(
    images=st.integers(1, 60),
    remembered=st.integers(1, 12),
    batch_size=st.integers(2, 16),
    part=st.floats(0, 0.9),
    epoch=st.integers(0, 3),
)
def test_each_own_image_is_in_an_epoch_once_and_kept_ones_take_turns(
    images: int, remembered: int, batch_size: int, part: float, epoch: int
) -> None:
    asked = settings(batch_size=batch_size, remember=part)
    train = Part(None, np.arange(images), None)  # type: ignore[arg-type]  (only its indices are used)
    batches = mixed_batches(train, asked, 100 + np.arange(remembered), epoch)
    assert sorted(np.concatenate([batch.own for batch in batches])) == list(range(images))
    others = np.concatenate([batch.old for batch in batches])
    assert others.size == 0 if not part else len(others) >= len(batches)
    counts = np.bincount(others - 100, minlength=remembered)
    assert counts.max() - counts.min() <= 1
    for batch in batches:
        assert len(batch.order) <= batch_size
        joined = batch.joined(batch.own, lambda old: old)
        assert sorted(joined) == sorted([*batch.own, *batch.old])
    assert len(batches[0].own) == min(images, own_images(asked))
    again = mixed_batches(train, asked, 100 + np.arange(remembered), epoch)
    assert all(
        (one.old == two.old).all() and (one.order == two.order).all() for one, two in zip(batches, again, strict=True)
    )


# Refusals


@pytest.mark.parametrize(
    ("bundle", "options", "words"),
    [
        ("output-frozen", {"remember": 0.3}, "keeps no images"),
        (KEPT, {"plan": LAST, "remember": 0.95}, "not from 0 to 0.9"),
        (KEPT, {"plan": LAST, "remember": -0.1}, "not from 0 to 0.9"),
        (KEPT, {"plan": HEAD, "remember": 0.3, "batch_norm": "adapt"}, "before `batch_norm` adapt"),
        (KEPT, {"plan": HEAD, "remember": 0.3, "batch_size": 1}, "leaves no room"),
    ],
)
def test_what_cannot_be_remembered_is_refused(
    bundle: str, options: dict[str, Any], words: str, tmp_path: Path, squares: Path
) -> None:
    with pytest.raises(TbftError, match=words):
        fine_tune(bundle, squares, tmp_path / "run", epochs=1, **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("labels", np.full(EACH * CLASSES, CLASSES)),
        ("labels", np.arange(3)),
        ("scale", np.full(4, np.nan, np.float32)),
        ("values", np.zeros((EACH * CLASSES, 1), np.uint8)),
    ],
)
def test_a_strangers_kept_images_are_refused(name: str, value: np.ndarray, tmp_path: Path, squares: Path) -> None:
    """Whoever writes them can compute their hash; nothing is computed from what does not fit."""
    bundle = tmp_path / "bundle"
    shutil.copytree(compiled(KEPT), bundle)
    file = bundle / kept_file(open_bundle(bundle).plan(LAST))
    save_file({**load_file(file), name: value}, file)
    write_manifest(bundle, read_manifest(bundle))
    with pytest.raises(TbftError, match=r"kept\.safetensors"):
        fine_tune(bundle, squares, tmp_path / "run", plan=LAST, epochs=1)


def test_kept_images_that_are_not_listed_are_refused(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(compiled(KEPT), bundle)
    (bundle / kept_file(open_bundle(bundle).plan(LAST))).unlink()
    write_manifest(bundle, read_manifest(bundle))
    with pytest.raises(TbftError, match="does not list"):
        open_bundle(bundle)
