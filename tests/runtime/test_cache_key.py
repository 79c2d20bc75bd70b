"""Whatever an activation is made of is in the key; what it is not made of is not."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import compiled, compiled_copy, read_manifest, write_manifest
from support.toys import coloured_squares, save_folders, save_squares
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.preprocessing import Resize
from tbft_runtime import Silent, TrainOptions
from tbft_runtime.boundary import key as module
from tbft_runtime.boundary.key import cache_key
from tbft_runtime.data.dataset import TrainingData, open_data, open_sources
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.run.resolve import resolve
from tbft_runtime.timing import Stopwatch

FLOAT = np.dtype(np.float32)


def opened(bundle: Bundle, data: Path, folder: Path, **options: Any) -> TrainingData:
    plan = bundle.plan()
    settings = resolve(TrainOptions(data=data, out=folder, **options), plan, bundle)
    return open_data(plan, settings, open_sources(bundle, settings), folder, Silent(), Stopwatch())


@dataclasses.dataclass
class Ingredients:
    bundle: Bundle
    weights: Tensors
    data: TrainingData
    dtype: np.dtype = FLOAT
    threads: int = 1

    def key(self) -> str:
        plan = self.bundle.plan()
        settings = resolve(TrainOptions(data=Path(), out=Path(), threads=self.threads), plan, self.bundle)
        return cache_key(self.bundle, plan, settings, self.weights, self.data, self.dtype)

    def but(self, **changes: Any) -> Ingredients:
        return dataclasses.replace(self, **changes)


@pytest.fixture
def usual(tmp_path: Path, squares: Path) -> Ingredients:
    bundle = open_bundle(compiled("feature-frozen"))
    return Ingredients(bundle, load_file(bundle.weights), opened(bundle, squares, tmp_path / "usual"))


def test_the_same_things_have_the_same_key(usual: Ingredients, tmp_path: Path) -> None:
    """Wherever bundle and run lie: a run may be moved."""
    bundle = open_bundle(compiled_copy("feature-frozen", tmp_path / "copy"))
    data = opened(bundle, save_squares(tmp_path / "same.npz"), tmp_path / "again")
    assert usual.but(bundle=bundle, weights=load_file(bundle.weights), data=data).key() == usual.key()


# Of the tiny network's layers those before layer2, which is trained: stem and layer1.
FROZEN = ("conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var", "layer1.conv2.weight")


@pytest.mark.parametrize("name", [*FROZEN, "layer1.bn2.running_var"])
def test_every_value_of_the_prefix_counts(name: str, usual: Ingredients) -> None:
    """A weight or a running statistic that differs in its last bit."""
    value = usual.weights[name].copy()
    value.flat[-1] = np.nextafter(value.flat[-1], np.float32(np.inf))
    assert usual.but(weights={**usual.weights, name: value}).key() != usual.key()


@pytest.mark.parametrize("name", ["layer2.conv1.weight", "layer2.bn1.running_mean", "fc.bias"])
def test_weights_behind_the_boundary_do_not_count(name: str, usual: Ingredients) -> None:
    """They change with every step."""
    assert usual.but(weights={**usual.weights, name: usual.weights[name] + 1}).key() == usual.key()


def test_the_graph_counts(usual: Ingredients, tmp_path: Path) -> None:
    """Other bytes, even of the same computation, may sum in another order."""
    folder = compiled_copy("feature-frozen", tmp_path / "other")
    path = folder / usual.bundle.plan().prefix
    path.write_bytes(path.read_bytes() + b"\x32\x00")  # An empty documentation string.
    write_manifest(folder, read_manifest(folder))
    assert usual.but(bundle=open_bundle(folder)).key() != usual.key()


def changed(bundle: Bundle, **changes: Any) -> Bundle:
    return Bundle(bundle.folder, msgspec.structs.replace(bundle.manifest, **changes))


def test_the_preparation_of_images_counts(usual: Ingredients) -> None:
    """Another filter or another size gives other pixels."""
    steps = usual.bundle.manifest.preprocessing
    other = tuple(Resize(size=8, filter="bicubic") if isinstance(step, Resize) else step for step in steps)
    assert usual.but(bundle=changed(usual.bundle, preprocessing=other)).key() != usual.key()
    assert usual.but(bundle=changed(usual.bundle, image_size=16)).key() != usual.key()


def test_the_shape_of_a_row_counts(usual: Ingredients) -> None:
    (plan,) = usual.bundle.manifest.plans
    boundary = msgspec.structs.replace(plan.boundary, shape=(8, 4, 8))
    other = changed(usual.bundle, plans=(msgspec.structs.replace(plan, boundary=boundary),))
    assert usual.but(bundle=other).key() != usual.key()


def test_format_and_threads_count(usual: Ingredients) -> None:
    keys = {usual.key(), usual.but(dtype=np.dtype(np.float16)).key(), usual.but(threads=2).key()}
    assert len(keys) == 3


@pytest.mark.parametrize("name", ["onnxruntime_version", "processor"])
def test_what_computes_counts(name: str, usual: Ingredients, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run folder may be moved to another board, or ONNX Runtime upgraded."""
    before = usual.key()
    monkeypatch.setattr(module, name, lambda: "another")
    assert usual.key() != before


@pytest.mark.parametrize("options", [{"seed": 1}, {"val_fraction": 0.3}])
def test_the_split_counts(options: dict[str, Any], usual: Ingredients, squares: Path, tmp_path: Path) -> None:
    """Rows go by number of the image, which the split gives."""
    assert usual.but(data=opened(usual.bundle, squares, tmp_path / "other", **options)).key() != usual.key()


def test_one_changed_byte_of_an_image_counts(usual: Ingredients, tmp_path: Path) -> None:
    """In an `.npz` and in a folder of pictures, of training and of validation images."""
    images, labels = coloured_squares(24)
    changed = images.copy()
    changed[3, 0, 0, 0] ^= 1
    keys = []
    for name, content in {"same": images, "changed": changed}.items():
        place = tmp_path / name
        folders = save_folders(place / "folders", content, labels)
        np.savez(place / "data.npz", images=content, labels=labels)
        fixed = save_squares(place / "fixed.npz", 8)
        for data, options in (
            (folders, {}),
            (place / "data.npz", {}),
            (fixed, {"validation": place / "data.npz"}),
        ):
            opened_data = opened(usual.bundle, data, place / f"run{len(keys)}", **options)
            keys.append(usual.but(data=opened_data).key())
    assert len(set(keys)) == len(keys) == 6
