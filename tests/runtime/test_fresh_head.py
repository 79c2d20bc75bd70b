"""`diagnose` of a bundle whose head nobody trained: wrong answers are no drift there, and other drifts still are."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from support import bundles
from support.bundles import ALL_DRIFTS, compiled, compiled_copy, read_manifest, write_manifest
from support.drifted import knowing_bundle, save_drifted, with_weights
from support.runs import fine_tune
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_edge.tables.diagnosis import verdict
from tbft_runtime import DiagnoseOptions, Diagnosis, diagnose
from tbft_runtime.diagnosis.decide import SURE, decide
from tbft_runtime.diagnosis.placement import candidates
from tbft_runtime.run.diagnosis_record import LabelEvidence, NormShift

FRESH = ("fc.weight", "fc.bias")
PLANS = candidates(open_bundle(compiled(ALL_DRIFTS)).manifest)
LABELS = LabelEvidence(
    accuracy=0.25,
    confidence=0.3,
    adapted_accuracy=None,
    means_accuracy=0.8,
    fitted_accuracy=0.9,
    gain=9.0,
    scatter=3.0,
    passes=2,
    samples=128,
    fresh=True,
    adapted_means_accuracy=0.8,
)
MOVED = [NormShift(norm="bn1", plan=bundles.FRONT, shift=2.0, noise=0.1)]


def with_fresh_head(bundle: Path, folder: Path) -> Path:
    """A copy of a bundle whose head is as PyTorch would initialise it, and which says so."""
    rng = np.random.default_rng(7)
    weights = open_bundle(bundle).load_weights()
    changed = {name: rng.uniform(-0.3, 0.3, weights[name].shape).astype(np.float32) for name in FRESH}
    with_weights(bundle, folder, changed)
    write_manifest(folder, read_manifest(folder), fresh=FRESH)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fresh")


@pytest.fixture(scope="module")
def fresh(place: Path) -> Path:
    """A bundle that knows the squares, but not what they are called."""
    return with_fresh_head(knowing_bundle(ALL_DRIFTS, place / "knowing"), place / "fresh")


def seen(bundle: Path, data: Path, base: Path | None = None) -> Diagnosis:
    return diagnose(bundle, DiagnoseOptions(data, threads=1, base=base))


def test_the_head_is_to_be_learned(fresh: Path, tmp_path: Path) -> None:
    """Labels are not blamed, and nobody is told that something behind the features moved."""
    found = seen(fresh, save_drifted(tmp_path / "data.npz"))
    assert found.plan == bundles.HEAD
    assert found.labels is not None
    assert found.labels.fresh
    assert found.labels.adapted_accuracy is None
    assert found.reasons[0].startswith("the head is fresh: it was never trained")
    assert not any("what moved" in reason or "perhaps nothing drifted" in reason for reason in found.reasons)
    assert "the model's own head was never trained" in verdict(found)[0]


def test_once_trained_it_is_a_head_like_any(fresh: Path, tmp_path: Path) -> None:
    """Diagnosed from a run that trained it, other labels are the head's again."""
    data = save_drifted(tmp_path / "data.npz")
    fine_tune(fresh, data, tmp_path / "run", plan=bundles.HEAD, epochs=10)
    found = seen(fresh, save_drifted(tmp_path / "renamed.npz", relabel=1), tmp_path / "run")
    assert found.plan == bundles.HEAD
    assert found.labels is not None
    assert not found.labels.fresh
    assert "what moved is behind them" in found.reasons[-1]


def test_images_that_drifted_are_told_by_what_statistics_mend() -> None:
    """A shift alone may be that of other classes: features have to gain by re-estimated statistics."""
    plan, reasons = decide(PLANS, MOVED, msgspec.structs.replace(LABELS, adapted_means_accuracy=0.95, restored=SURE))
    assert plan.id == bundles.FRONT
    assert "with re-estimated statistics on 95%, so images drifted, too" in reasons[1]
    plan, reasons = decide(PLANS, MOVED, msgspec.structs.replace(LABELS, restored=SURE - 0.1))
    assert plan.id == bundles.HEAD
    assert "not more often with re-estimated statistics" in reasons[1]
    still = [msgspec.structs.replace(norm, shift=0.1) for norm in MOVED]
    assert decide(PLANS, still, msgspec.structs.replace(LABELS, restored=SURE))[0].id == bundles.HEAD


def test_without_norms_the_race_decides(tmp_path: Path, squares: Path) -> None:
    """Every plan trains the head, so that each may win; what is said of it is the same."""
    plain = with_fresh_head(compiled(bundles.ALL_PLAIN), tmp_path / "plain")
    found = seen(plain, squares)
    assert found.reasons[0].startswith("the head is fresh")
    assert any("right most often" in reason for reason in found.reasons)


def test_bundles_from_before_say_nothing(tmp_path: Path) -> None:
    """The field is not there where there is nothing to say, and ids stay what they were."""
    assert b'"fresh"' not in (compiled(ALL_DRIFTS) / "manifest.json").read_bytes()
    bundle = open_bundle(compiled(ALL_DRIFTS))
    assert not bundle.head_is_fresh
    assert bundle.manifest.content_hash() == bundle.manifest.bundle_id
    marked = compiled_copy(ALL_DRIFTS, tmp_path / "marked", fresh=FRESH)
    assert open_bundle(marked).head_is_fresh


@pytest.mark.parametrize("names", [("fc.weight", "fc.weight"), ("",), ("fc\x1b",)], ids=ascii)
def test_odd_names_are_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    """A stranger's bundle says who its head is in names that can be read."""
    marked = compiled_copy(ALL_DRIFTS, tmp_path / "marked", fresh=names)
    with pytest.raises(TbftError, match="a fresh parameter"):
        open_bundle(marked)
