"""Images that a bundle keeps: which, how exactly, for every kind of plan, and only where that is asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.numpy import load_file

from support.calibration import ArrayImages
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.kept import Kept, keeps_inputs, kept_file, own_scales, quantised
from tbft_artifacts.manifest import MANIFEST
from tbft_export import ExportOptions, export_bundle
from tbft_export.export import Exported
from tbft_export.graph.sessions import Session

SIZE, CLASSES, EACH = 8, 4, 6


@cache
def source() -> ArrayImages:
    """Pixels in [0, 1], normalised as an export does by default for a network of a user's own."""
    pixels = np.random.default_rng(0).integers(0, 256, (100, 3, SIZE, SIZE))
    mean, std = (np.array(values).reshape(1, 3, 1, 1) for values in ((0.5, 0.4, 0.3), (0.2, 0.25, 0.3)))
    return ArrayImages(((pixels / 255 - mean) / std).astype(np.float32), np.arange(100) % CLASSES)


def options(**changes: object) -> ExportOptions:
    asked = {
        "model": "support.tiny_models:tiny",
        "drift": "all",
        "image_size": SIZE,
        "mean": (0.5, 0.4, 0.3),
        "std": (0.2, 0.25, 0.3),
        "source": source(),
        "keep": EACH,
    }
    return ExportOptions(**(asked | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Exported]:
    out = tmp_path_factory.mktemp("keep") / "bundle"
    found = export_bundle(options(), out)
    return open_bundle(out), found


def kept_of(bundle: Bundle, plan_id: str) -> Kept:
    return Kept(**load_file(bundle.path(kept_file(bundle.plan(plan_id)))))


def positions(kept: Kept) -> np.ndarray:
    """Which of the source images each kept one is, by what the first plan keeps: all of its pixels."""
    pixels = source().values.reshape(len(source().labels), -1)
    rows = kept.read(np.arange(len(kept.labels))).reshape(len(kept.labels), -1)
    return np.array([np.abs(pixels - row).sum(axis=1).argmin() for row in rows])


def test_every_plan_keeps_the_same_images_in_turns_of_the_classes(exported: tuple[Bundle, Exported]) -> None:
    bundle, _ = exported
    for plan in bundle.manifest.plans:
        kept = kept_of(bundle, plan.id)
        assert plan.kept == len(kept.labels) == EACH * CLASSES
        assert (kept.labels == np.tile(np.arange(CLASSES), EACH)).all()


def test_pixels_are_kept_as_they_are(exported: tuple[Bundle, Exported]) -> None:
    """Where the trained part begins at the image."""
    bundle, _ = exported
    kept = kept_of(bundle, "input-batch-sgd")
    rows = positions(kept)
    assert len(set(rows)) == len(rows)
    assert (source().labels[rows] == kept.labels).all()
    assert np.abs(kept.read(np.arange(len(rows))) - source().values[rows]).max() < 1e-5


def test_activations_are_those_of_the_written_prefix_within_half_a_step(exported: tuple[Bundle, Exported]) -> None:
    bundle, _ = exported
    rows = positions(kept_of(bundle, "input-batch-sgd"))
    tried = [plan for plan in bundle.manifest.plans if not keeps_inputs(plan)]
    assert {plan.drift for plan in tried} == {"feature", "output"}
    for plan in tried:
        kept = kept_of(bundle, plan.id)
        exact = Session(bundle.folder, plan.prefix).run(source().images(rows))
        error = np.abs(kept.read(np.arange(len(rows))) - exact)
        axes = (0, *range(2, exact.ndim))
        assert (error.max(axis=axes) <= kept.scale * 0.501 + 1e-6).all()


def test_whoever_exports_is_told_what_is_shipped(exported: tuple[Bundle, Exported]) -> None:
    _, found = exported
    assert f"keeps {EACH * CLASSES} source images" in found.notes[-1]
    assert "show" in found.notes[-1]
    assert "kB" in found.notes[-1]


def test_a_class_of_few_images_is_told(tmp_path: Path) -> None:
    few = np.flatnonzero(source().labels != 2)
    some = ArrayImages(source().values[few], source().labels[few])
    found = export_bundle(options(drift="output", source=some), tmp_path / "bundle")
    assert found.manifest.plans[0].kept == EACH * (CLASSES - 1)
    assert f"fewer than {EACH} of 2 0" in found.notes[-1]


def test_nothing_is_kept_unless_asked_for(tmp_path: Path) -> None:
    """And the bundle is, byte for byte, what it was before there was the option."""
    export_bundle(options(drift="output", source=None, keep=None), tmp_path / "bundle")
    assert b'"kept' not in (tmp_path / "bundle" / MANIFEST).read_bytes()
    assert not list((tmp_path / "bundle").rglob("kept*"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": None}, "which images to keep"),
        ({"keep": 0}, "`keep` 0 is no number of images"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(TbftError, match=words):
        export_bundle(options(drift="output", **changes), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_more_than_a_device_reads_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tbft_export.keep.MOST_BYTES", 1000)
    with pytest.raises(TbftError, match="24 kept images take"):
        export_bundle(options(drift="input"), tmp_path / "bundle")


VALUES = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=4, max_side=5),
    elements=st.floats(-1e4, 1e4, width=32),
)


@given(VALUES)
def test_eight_bits_are_off_by_half_a_step_at_most(values: np.ndarray) -> None:
    """Whatever the range of a channel, one that is always the same included."""
    kept = quantised(values, np.zeros(len(values), np.int64), *own_scales(values))
    error = np.abs(kept.read(np.arange(len(values))).astype(np.float64) - values)
    rounding = 1e-6 * np.abs(values).max()
    assert (error <= 0.5 * kept.scale.reshape(-1, *(1,) * (values.ndim - 2)) + rounding).all()
