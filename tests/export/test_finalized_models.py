"""A model that `finalize` wrote is exported again as it was fed: with its classes and its preprocessing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import onnx
import pytest

from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.model_card import METADATA, ModelCard
from tbft_artifacts.plan import PREDICT
from tbft_artifacts.preprocessing import CutWindows, Normalize
from tbft_export import ExportOptions, export_bundle
from tbft_export.options import TableOptions

CLASSES = ("ant", "bee", "cat", "dog")


@pytest.fixture(scope="module")
def finalized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finalized")
    options = ExportOptions(
        "support.tiny_models:tiny", "output", image_size=8, classes=CLASSES, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)
    )
    manifest = export_bundle(options, folder / "bundle").manifest
    model = onnx.load(folder / "bundle" / PREDICT)
    card = ModelCard(
        bundle_id=manifest.bundle_id,
        plan=None,
        classes=manifest.classes,
        image_size=manifest.image_size,
        preprocessing=manifest.preprocessing,
    )
    model.metadata_props.add(key=METADATA, value=msgspec.json.encode(card).decode())
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def exported(model: Path, out: Path, **changes: object) -> Manifest:
    export_bundle(ExportOptions(str(model), "output", **changes), out)  # type: ignore[arg-type]
    return open_bundle(out).manifest


def test_classes_and_preprocessing_are_kept(finalized: Path, tmp_path: Path) -> None:
    manifest = exported(finalized, tmp_path / "again")
    assert manifest.classes == CLASSES
    assert manifest.preprocessing == open_bundle(finalized.parent / "bundle").manifest.preprocessing


def test_what_is_given_wins(finalized: Path, tmp_path: Path) -> None:
    manifest = exported(finalized, tmp_path / "again", classes=("a", "b", "c", "d"), mean=(0.5, 0.5, 0.5))
    assert manifest.classes == ("a", "b", "c", "d")
    assert manifest.normalization == Normalize(mean=(0.5, 0.5, 0.5), std=(0.4, 0.5, 0.6))


def test_how_tables_are_cut_is_kept_or_said_again(tmp_path: Path) -> None:
    """A signal's model is exported again with its columns; others that are given are not passed over."""
    options = ExportOptions(
        "support.sensor_models:motion", "output", window=32, table=TableOptions(("x", "y", "z"), stride=16), mean=(0.5,)
    )
    manifest = export_bundle(options, tmp_path / "bundle").manifest
    card = ModelCard(
        bundle_id=manifest.bundle_id,
        plan=None,
        classes=manifest.classes,
        input_shape=manifest.input_shape,
        preprocessing=manifest.preprocessing,
    )
    model = onnx.load(tmp_path / "bundle" / PREDICT)
    model.metadata_props.add(key=METADATA, value=msgspec.json.encode(card).decode())
    onnx.save(model, tmp_path / "model.onnx")
    assert exported(tmp_path / "model.onnx", tmp_path / "again").preprocessing == manifest.preprocessing
    table = TableOptions(("a", "b", "c"), stride=8)
    read, normalize = exported(tmp_path / "model.onnx", tmp_path / "other", window=32, table=table).preprocessing
    assert isinstance(read, CutWindows)
    assert (read.columns, read.stride) == (("a", "b", "c"), 8)
    assert normalize == manifest.normalization


@pytest.mark.parametrize("said", ["", "[]", "{}"])
def test_metadata_that_makes_no_sense_are_no_card(finalized: Path, tmp_path: Path, said: str) -> None:
    model = onnx.load(finalized)
    model.metadata_props[-1].value = said
    onnx.save(model, tmp_path / "model.onnx")
    assert exported(tmp_path / "model.onnx", tmp_path / "again").classes == ("0", "1", "2", "3")
