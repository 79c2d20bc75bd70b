"""`make bench-masks`: what it takes to keep the mask of an activation function for the backward pass, in three ways.

The mask of ReLU6 and hard-swish can be kept as bits, as bytes, or read again from the function's output, which the
next convolution keeps anyway. The host writes a graph of each, the device times them in turns.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.ratios import paired, spread

# An activation of MobileNetV2's last blocks at 96 px, a batch of 32.
SHAPE = (32, 576, 6, 6)
WAYS = ("output", "bytes", "bits")
ROUNDS, RUNS = 15, 10
_HEADER = '<ir_version: 8, opset_import: ["" : 17]>\n'
_SIGNATURE = "g (float[n,c,h,w] x, float[n,c,h,w] dy) => (float[n,c,h,w] y, float[n,c,h,w] dx)"
# Opset 17 has no bitwise and: bit i of a byte b is floor(b / 2^i) mod 2.
_GRAPHS = {
    "output": "<float zero = {0}> { y = HardSwish(x)  m = Greater(y, zero)  dx = Where(m, dy, zero) }",
    "bytes": "<float zero = {0}> { y = HardSwish(x)  m = Greater(x, zero)  dx = Where(m, dy, zero) }",
    "bits": """<float zero = {0}, int64[2] eights = {-1, 8}, int64[1] flat = {-1}, int64[1] last = {1}, uint8 two = {2},
        float[8] powers = {1, 2, 4, 8, 16, 32, 64, 128}, uint8[8] places = {1, 2, 4, 8, 16, 32, 64, 128}> {
        y = HardSwish(x)
        m = Greater(x, zero)
        ones = Cast<to = 1>(m)
        rows = Reshape(ones, eights)
        sums = MatMul(rows, powers)
        kept = Cast<to = 2>(sums)
        column = Unsqueeze(kept, last)
        shifted = Div(column, places)
        odd = Mod(shifted, two)
        mask = Cast<to = 9>(odd)
        shape = Shape(dy)
        unpacked = Reshape(mask, shape)
        dx = Where(unpacked, dy, zero) }""",
}


class Cost(msgspec.Struct, frozen=True):
    """Forward and backward of the function: time against reading the mask from the output, and bytes kept for it."""

    way: str
    median_ratio: float
    lowest_ratio: float
    highest_ratio: float
    kept_bytes: int


def write(folder: Path) -> None:
    """On the host: a graph of each way."""
    import onnx
    import onnx.parser

    folder.mkdir(parents=True, exist_ok=True)
    for way, body in _GRAPHS.items():
        onnx.save(onnx.parser.parse_model(f"{_HEADER}{_SIGNATURE} {body}"), folder / f"{way}.onnx")


def measure(folder: Path) -> None:
    """On the device: a line each as JSON."""
    from tbft_runtime.graphs.sessions import load_graph

    rng = np.random.default_rng(0)
    feeds = {name: rng.standard_normal(SHAPE, np.float32) for name in ("x", "dy")}
    graphs = {way: load_graph(folder / f"{way}.onnx", {}, 1) for way in WAYS}
    gradients = {way: graph.run(feeds)["dx"] for way, graph in graphs.items()}
    if any(not np.array_equal(gradient, gradients["bytes"]) for gradient in gradients.values()):
        raise SystemExit("the three ways disagree")
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in random.sample(WAYS, len(WAYS)):
            began = time.perf_counter()
            for _ in range(RUNS):
                graphs[way].run(feeds)
            seconds[way].append(time.perf_counter() - began)
    kept = {"output": 0, "bytes": feeds["x"].size, "bits": feeds["x"].size // 8}
    for way in WAYS:
        ratio = spread(paired(seconds[way], seconds["output"]))
        cost = Cost(way, ratio.median, ratio.low, ratio.high, kept[way])
        sys.stdout.write(msgspec.json.encode(cost).decode() + "\n")


if __name__ == "__main__":
    {"write": write, "measure": measure}[sys.argv[1]](Path(sys.argv[2]))
