"""Graphs that never end, end the process, or take all memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from random import Random

import numpy as np

from fuzz.evil.network import INPUT, MEAN, Evil, number, numbers
from support.onnx_bytes import FLOAT, Subgraph, constant, function, graph, node, tensor, value

_OWN = "own"


def _loop(rounds: str, *inside: bytes) -> bytes:
    body = graph(
        [*inside, node("Identity", ["go"], ["go_on"]), node("Add", ["sum", "sum"], ["sum_on"])],
        [value("round", 7, ()), value("go", 9, ()), value("sum", FLOAT, ())],
        [value("go_on", 9, ()), value("sum_on", FLOAT, ())],
    )
    return node("Loop", [rounds, "go_at_first", MEAN], ["sums"], body=Subgraph(body))


def endless_loop(rng: Random) -> Evil:
    nodes = [
        number("rounds", 2**63 - 1, np.int64),
        constant("go_at_first", tensor("", np.array(True))),
        _loop(rng.choice(("rounds", "")), *rng.choice(((), (node("Tanh", [INPUT], ["waste"]),)))),
    ]
    return Evil(nodes=nodes, adds="sums")


def scan(rng: Random) -> Evil:
    """A loop over the longest axis that a few bytes can make."""
    body = graph(
        [node("Add", ["state", "step"], ["state_on"])],
        [value("state", FLOAT, ()), value("step", FLOAT, ())],
        [value("state_on", FLOAT, ())],
    )
    nodes = [numbers("far", rng.choice((10**8, 2**31))), node("ConstantOfShape", ["far"], ["steps"])]
    nodes.append(node("Scan", [MEAN, "steps"], ["sums"], body=Subgraph(body), num_scan_inputs=1))
    return Evil(nodes=nodes, adds="sums")


def laughing_functions(rng: Random) -> Evil:
    """Functions that call the next one twice: 2 ** depth nodes of a few bytes each."""
    depth = rng.choice((16, 24, 30))
    functions = [function("F0", ["x"], ["y"], [node("Neg", ["x"], ["y"])], _OWN)]
    for level in range(1, depth):
        call = f"F{level - 1}"
        inside = [node(call, ["x"], ["z"], _OWN), node(call, ["z"], ["y"], _OWN)]
        functions.append(function(f"F{level}", ["x"], ["y"], inside, _OWN))
    return Evil(
        nodes=[node(f"F{depth - 1}", [MEAN], ["laugh"], _OWN)], adds="laugh", functions=functions, opsets={_OWN: 1}
    )


def circle_of_functions(rng: Random) -> Evil:
    own = function("F", ["x"], ["y"], [node("F", ["x"], ["y"], _OWN)], _OWN)
    return Evil(nodes=[node("F", [MEAN], ["laugh"], _OWN)], adds="laugh", functions=[own], opsets={_OWN: 1})


def division(rng: Random) -> Evil:
    """The least integer by -1, and by 0: what processors trap."""
    kind = rng.choice((np.int32, np.int64))
    least = int(np.iinfo(kind).min)
    divisor = rng.choice((-1, 0))
    operator = rng.choice(("Div", "Mod"))
    nodes = [number("zero", 0), node("Mul", [MEAN, "zero"], ["nought"])]
    nodes += [node("Cast", ["nought"], ["nothing"], to=6 if kind is np.int32 else 7)]
    nodes += [number("least", least, kind), number("by", divisor, kind)]
    nodes += [node("Add", ["nothing", "least"], ["a"]), node("Add", ["nothing", "by"], ["b"])]
    left, right = ("least", "by") if rng.random() < 0.3 else ("a", "b")
    nodes += [node(operator, [left, right], ["quotient"]), node("Cast", ["quotient"], ["harm"], to=1)]
    return Evil(nodes=nodes, adds="harm")


def _large(rng: Random) -> int:
    return rng.choice((3 * 10**8, 10**9, 2**33, 2**62))


def constant_of_shape(rng: Random) -> Evil:
    return Evil(nodes=[numbers("far", _large(rng)), node("ConstantOfShape", ["far"], ["large"])], adds="large")


def expand(rng: Random) -> Evil:
    return Evil(nodes=[numbers("far", _large(rng)), node("Expand", [MEAN, "far"], ["large"])], adds="large")


def expand_by_input(rng: Random) -> Evil:
    """How large is told by the images, so that nothing can be folded or known ahead."""
    nodes = [
        numbers("far", _large(rng)),
        node("Shape", [INPUT], ["shape"]),
        node("ReduceMax", ["shape"], ["widest"], keepdims=1),
        node("Mul", ["widest", "far"], ["wide"]),
        node("Expand", [MEAN, "wide"], ["large"]),
    ]
    return Evil(nodes=nodes, adds="large")


def tile(rng: Random) -> Evil:
    times = rng.choice((4000, 40_000, 2**31))
    return Evil(nodes=[numbers("times", 1, 1, times, times), node("Tile", [INPUT, "times"], ["large"])], adds="large")


def pad(rng: Random) -> Evil:
    wide = rng.choice((3000, 30_000, 2**31))
    pads = [0, 0, wide, wide, 0, 0, wide, wide]
    return Evil(nodes=[numbers("pads", *pads), node("Pad", [INPUT, "pads"], ["large"])], adds="large")


def range_of(rng: Random) -> Evil:
    nodes = [number("from", 0), number("to", rng.choice((5e8, 1e12))), number("by", 1)]
    return Evil(nodes=[*nodes, node("Range", ["from", "to", "by"], ["large"])], adds="large")


def one_hot(rng: Random) -> Evil:
    nodes = [numbers("which", *range(64)), number("depth", 10**8, np.int64)]
    nodes += [constant("values", tensor("", np.array([0, 1], np.float32)))]
    return Evil(nodes=[*nodes, node("OneHot", ["which", "depth", "values"], ["large"])], adds="large")


def resize(rng: Random) -> Evil:
    nodes = [constant("scales", tensor("", np.array([1, 1, 4000, 4000], np.float32)))]
    return Evil(nodes=[*nodes, node("Resize", [INPUT, "", "scales"], ["large"])], adds="large")


def random_numbers(rng: Random) -> Evil:
    return Evil(nodes=[node("RandomNormal", [], ["large"], shape=[30_000, 30_000])], adds="large")


def doubling(rng: Random) -> Evil:
    """Thirty small nodes, each of which gives twice what it gets."""
    names = [INPUT, *(f"double{level}" for level in range(rng.choice((20, 30))))]
    nodes = [node("Concat", [a, a], [b], axis=rng.choice((0, 3))) for a, b in pairwise(names)]
    return Evil(nodes=nodes, adds=names[-1])


def outer_product(rng: Random) -> Evil:
    nodes = [numbers("tall", 60_000, 1), numbers("wide", 1, 60_000)]
    nodes += [node("Expand", [MEAN, "tall"], ["column"]), node("Expand", [MEAN, "wide"], ["row"])]
    return Evil(nodes=[*nodes, node("Add", ["column", "row"], ["large"])], adds="large")


def long_product(rng: Random) -> Evil:
    """Little memory, and years of work."""
    nodes = [numbers("square", 3000, 3000), node("Expand", [MEAN, "square"], ["power0"])]
    nodes += [node("MatMul", [f"power{level}", "power0"], [f"power{level + 1}"]) for level in range(2000)]
    return Evil(nodes=nodes, adds="power2000", slow=True)


def large_kernel(rng: Random) -> Evil:
    nodes = [node("MaxPool", [INPUT], ["pooled"], kernel_shape=[2**31, 2**31], pads=[2**31] * 4)]
    return Evil(nodes=nodes, adds="pooled")


def transposed(rng: Random) -> Evil:
    weights = constant("w", tensor("", np.ones((3, 1, 1, 1), np.float32)))
    far = rng.choice((4000, 2**31))
    return Evil(nodes=[weights, node("ConvTranspose", [INPUT, "w"], ["large"], strides=[far, far])], adds="large")


def cumulative(rng: Random) -> Evil:
    """Long, and on one thread."""
    nodes = [numbers("far", 2 * 10**8), node("ConstantOfShape", ["far"], ["long"]), number("axis", 0, np.int64)]
    nodes += [node("CumSum", ["long", "axis"], ["sums"]), node("TopK", ["sums", "far"], ["sorted", "places"])]
    return Evil(nodes=nodes, adds="sorted", slow=True)


EVILS: Mapping[str, Callable[[Random], Evil]] = {
    "bomb-endless-loop": endless_loop,
    "bomb-scan": scan,
    "bomb-functions": laughing_functions,
    "bomb-circle-of-functions": circle_of_functions,
    "bomb-division": division,
    "bomb-constant-of-shape": constant_of_shape,
    "bomb-expand": expand,
    "bomb-expand-by-input": expand_by_input,
    "bomb-tile": tile,
    "bomb-pad": pad,
    "bomb-range": range_of,
    "bomb-one-hot": one_hot,
    "bomb-resize": resize,
    "bomb-random": random_numbers,
    "bomb-doubling": doubling,
    "bomb-outer-product": outer_product,
    "bomb-long-product": long_product,
    "bomb-large-kernel": large_kernel,
    "bomb-transposed": transposed,
    "bomb-cumulative": cumulative,
}
