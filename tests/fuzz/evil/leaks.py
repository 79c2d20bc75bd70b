"""Graphs that read files of the device: external data wherever ONNX allows a tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

import numpy as np

from fuzz.evil.network import MEAN, Evil, numbers
from support.onnx_bytes import (
    FLOAT,
    Sparse,
    Subgraph,
    TensorValue,
    constant,
    external,
    function,
    graph,
    node,
    sparse,
    tensor,
    value,
)
from tbft_runtime.graphs.protobuf import bytes_field, number_field

_LOCATIONS = (
    *("secret.bin", "./secret.bin", "../work/secret.bin", "../secret.bin", "/etc/hostname", "/proc/self/environ"),
    *("x/../secret.bin", "//etc/hostname", "file:///etc/hostname", "*/_ORT_MEM_ADDR_/*", "secret.bin\0"),
)


def _stolen(rng: Random, name: str = "stolen") -> bytes:
    more = rng.choice(({}, {"offset": 0, "length": 16}, {"offset": 4}, {"length": 2**40}, {"offset": 2**62}))
    return external(name, rng.choice(_LOCATIONS), [4], **more)


def initializer(rng: Random) -> Evil:
    return Evil(adds="stolen", initializers=[_stolen(rng)], must_refuse=True)


def attribute(rng: Random) -> Evil:
    return Evil(nodes=[constant("stolen", _stolen(rng, ""))], adds="stolen", must_refuse=True)


def _branch(rng: Random) -> Subgraph:
    inside = rng.random() < 0.5
    nodes = [] if inside else [constant("taken", _stolen(rng, ""))]
    initializers = [_stolen(rng, "taken")] if inside else []
    nodes.append(node("Identity", ["taken"], ["given"]))
    return Subgraph(graph(nodes, [], [value("given", FLOAT, (4,))], initializers))


def branch(rng: Random) -> Evil:
    nodes = [
        numbers("none", 0),
        node("Cast", [MEAN], ["condition"], to=9),
        node("If", ["condition"], ["stolen"], then_branch=_branch(rng), else_branch=_branch(rng)),
    ]
    return Evil(nodes=nodes, adds="stolen", must_refuse=True)


def branch_of_branch(rng: Random) -> Evil:
    inner = node("If", ["condition"], ["given"], then_branch=_branch(rng), else_branch=_branch(rng))
    outer = Subgraph(graph([inner], [], [value("given", FLOAT, (4,))]))
    nodes = [
        node("Cast", [MEAN], ["condition"], to=9),
        node("If", ["condition"], ["stolen"], then_branch=outer, else_branch=outer),
    ]
    return Evil(nodes=nodes, adds="stolen", must_refuse=True)


def loop(rng: Random) -> Evil:
    body = graph(
        [constant("taken", _stolen(rng, "")), node("Identity", ["go"], ["go_on"])],
        [value("round", 7, ()), value("go", 9, ())],
        [value("go_on", 9, ()), value("taken", FLOAT, (4,))],
    )
    nodes = [numbers("rounds", 1), node("Loop", ["rounds", ""], ["stolen"], body=Subgraph(body))]
    return Evil(nodes=nodes, adds="stolen", must_refuse=True)


def local_function(rng: Random) -> Evil:
    own = function(
        "Steal", ["x"], ["y"], [constant("taken", _stolen(rng, "")), node("Add", ["x", "taken"], ["y"])], "own"
    )
    return Evil(
        nodes=[node("Steal", [MEAN], ["stolen"], "own")],
        adds="stolen",
        functions=[own],
        opsets={"own": 1},
        must_refuse=True,
    )


def sparse_initializer(rng: Random) -> Evil:
    content = sparse(_stolen(rng, "stolen"), np.arange(4, dtype=np.int64), [4])
    return Evil(adds="stolen", sparse_initializers=[content], must_refuse=True)


def sparse_attribute(rng: Random) -> Evil:
    content = sparse(_stolen(rng, ""), np.arange(4, dtype=np.int64), [4])
    return Evil(nodes=[node("Constant", [], ["stolen"], sparse_value=Sparse(content))], adds="stolen", must_refuse=True)


def location_without_mark(rng: Random) -> Evil:
    """External data, but that the field which says so is missing, or says something else."""
    taken = _stolen(rng)[: -len(number_field(14, 1))] + rng.choice((b"", number_field(14, 0), number_field(14, 7)))
    return Evil(adds="stolen", initializers=[taken])


def both(rng: Random) -> Evil:
    """Values inside, and external ones."""
    raw = bytes_field(9, np.ones(4, np.float32).tobytes())
    return Evil(adds="stolen", initializers=[_stolen(rng) + raw])


def default_attribute(rng: Random) -> Evil:
    """In an operator that has no use for it."""
    return Evil(nodes=[node("Identity", [MEAN], ["kept"], unused=TensorValue(_stolen(rng, "")))], adds="kept")


def twice(rng: Random) -> Evil:
    """A harmless initializer of the same name first."""
    mine = tensor("stolen", np.ones(4, np.float32))
    return Evil(adds="stolen", initializers=[mine, _stolen(rng)], must_refuse=True)


EVILS: Mapping[str, Callable[[Random], Evil]] = {
    "leak-initializer": initializer,
    "leak-attribute": attribute,
    "leak-branch": branch,
    "leak-branch-of-branch": branch_of_branch,
    "leak-loop": loop,
    "leak-function": local_function,
    "leak-sparse-initializer": sparse_initializer,
    "leak-sparse-attribute": sparse_attribute,
    "leak-unmarked": location_without_mark,
    "leak-both": both,
    "leak-unused": default_attribute,
    "leak-twice": twice,
}
