"""What happens before the first step: verifying a bundle, loading its graphs, preparing pictures."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from safetensors.numpy import load_file

from benchmarks import inputs
from benchmarks.agenda import BATCH_SIZE, IMAGE_SIZE
from benchmarks.prepared import BUNDLES
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.sources import open_source
from tbft_runtime.data.store import open_store
from tbft_runtime.graphs.sessions import load_graph

PICTURES = 64
CAMERA = (640, 480)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The one of the feature drift."""
    return open_bundle(BUNDLES / "resnet26-feature-frozen-32")


@pytest.fixture(scope="module")
def preprocessing(bundle: Bundle) -> Preprocessing:
    """As the bundle orders."""
    return Preprocessing(bundle.manifest.preprocessing, bundle.manifest.shape)


def test_open_bundle(benchmark: BenchmarkFixture, bundle: Bundle) -> None:
    """Every file is verified."""
    benchmark(open_bundle, bundle.folder)


@pytest.mark.parametrize("graph", ["prefix", "suffix", "gradient", "update"])
def test_load_graph(benchmark: BenchmarkFixture, bundle: Bundle, graph: str) -> None:
    """ONNX Runtime optimises it, folds and packs its weights."""
    weights = load_file(bundle.weights)
    benchmark(load_graph, bundle.path(getattr(bundle.plan(), graph)), weights, 1)


def test_normalize_a_batch(benchmark: BenchmarkFixture, preprocessing: Preprocessing) -> None:
    """uint8 pixels to what the network takes, for each batch of each epoch."""
    images, _ = inputs.pixels(BATCH_SIZE, IMAGE_SIZE, 10, 0)
    benchmark(preprocessing.normalize, images)


def test_prepare_photos(
    benchmark: BenchmarkFixture, bundle: Bundle, preprocessing: Preprocessing, tmp_path: Path
) -> None:
    """64 JPEG files of 640 x 480: decoded, scaled, cropped and stored."""
    classes = bundle.manifest.classes
    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        folder = tmp_path / "photos" / classes[number % len(classes)]
        folder.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        coarse.resize(CAMERA).save(folder / f"{number}.jpg", quality=90)
    source = open_source(tmp_path / "photos", classes, preprocessing)
    numbers = itertools.count()
    benchmark(lambda: open_store(source, (IMAGE_SIZE, IMAGE_SIZE, 3), tmp_path / f"store{next(numbers)}", "train"))
