"""Gradients of single convolutions in the form that the compiler chose, batch 32, one thread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.agenda import BATCH_SIZE
from benchmarks.prepared import KERNELS
from tbft_runtime.graphs.sessions import load_graph

NAMES = sorted(path.stem for path in KERNELS.glob("*.onnx"))


@pytest.mark.parametrize("name", NAMES)
def test_conv_gradient(benchmark: BenchmarkFixture, name: str) -> None:
    """`<channels>x<filters>-<side>px-stride<stride>-<dw or dx>`; FLOP/s stand in the extra information."""
    path: Path = KERNELS / f"{name}.onnx"
    graph = load_graph(path, {}, 1)
    channels, filters = map(int, name.split("-")[0].split("x"))
    side, stride = int(name.split("-")[1].removesuffix("px")), int(name.split("-")[2].removeprefix("stride"))
    shapes = {
        "dy": (BATCH_SIZE, filters, side // stride, side // stride),
        "x": (BATCH_SIZE, channels, side, side),
        "w": (filters, channels, 3, 3),
    }
    rng = np.random.default_rng(0)
    feeds = {each: rng.standard_normal(shapes[each], np.float32) for each in graph.inputs}
    benchmark.extra_info["flops"] = 2 * 9 * channels * BATCH_SIZE * filters * (side // stride) ** 2
    benchmark(graph.run, feeds)
