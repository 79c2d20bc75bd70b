"""A tiny network with something evil in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from support.onnx_bytes import FLOAT, constant, graph, model, node, tensor, value
from tbft_artifacts.model_card import METADATA


@dataclass(frozen=True)
class Place:
    """What the graph is to read and give: names, and shapes without the batch."""

    input: str
    input_shape: tuple[int, ...]
    output: str
    output_shape: tuple[int, ...]


@dataclass(frozen=True)
class Evil:
    """Parts of a graph. `adds` names a float of any shape that broadcasts to a scalar per image, added to the output.

    `last` replaces the end of the graph: nodes that make the output `out` from `honest`.
    """

    nodes: Sequence[bytes] = ()
    adds: str | None = None
    initializers: Sequence[bytes] = ()
    sparse_initializers: Sequence[bytes] = ()
    functions: Sequence[bytes] = ()
    opsets: Mapping[str, int] = field(default_factory=dict)
    last: Sequence[bytes] | None = None
    output_kind: int = FLOAT
    output_dims: Sequence[int | str] | None = None
    more_inputs: Sequence[bytes] = ()
    more_outputs: Sequence[bytes] = ()
    ir_version: int = 8
    raw: bytes | None = None
    """The whole model instead."""
    must_refuse: bool = False
    slow: bool = False
    """Work for hours, in little memory: no more can be asked than that a signal ends it."""


# Names that parts may use: the input, its mean (a scalar), the output without the evil, and that with it.
INPUT, MEAN, HONEST, OUT = "in", "mean", "honest", "out"


def whole(evil: Evil, place: Place, card: str | None = None) -> bytes:
    """The model: a mean of the input, spread over the output's shape, and the evil."""
    metadata = {METADATA: card} if card is not None else {}
    if evil.raw is not None:
        return evil.raw
    rank = len(place.output_shape)
    weights = np.linspace(-1, 1, int(np.prod(place.output_shape)), dtype=np.float32).reshape(1, *place.output_shape)
    axes = list(range(1, 1 + len(place.input_shape)))
    nodes = [
        node("Identity", [place.input], [INPUT]),
        node("ReduceMean", [INPUT], ["each"], axes=axes, keepdims=0),
        node("Reshape", ["each", "column"], ["tall"]),
        node("ReduceMean", ["each"], [MEAN], keepdims=0),
        node("Mul", ["tall", "spread"], [HONEST]),
        *evil.nodes,
    ]
    if evil.last is not None:
        nodes += evil.last
    elif evil.adds is not None:
        nodes += [
            node("ReduceSum", [evil.adds], ["evil"], keepdims=0),
            node("Add", [HONEST, "evil"], [OUT]),
        ]
    else:
        nodes.append(node("Identity", [HONEST], [OUT]))
    nodes.append(node("Identity", [OUT], [place.output]))
    dims = evil.output_dims if evil.output_dims is not None else ("batch", *place.output_shape)
    content = graph(
        nodes,
        [value(place.input, FLOAT, ("batch", *place.input_shape)), *evil.more_inputs],
        [value(place.output, evil.output_kind, dims), *evil.more_outputs],
        [
            tensor("column", np.array([-1, *[1] * rank], np.int64)),
            tensor("spread", weights),
            *evil.initializers,
        ],
        evil.sparse_initializers,
    )
    return model(content, evil.opsets, evil.functions, metadata, evil.ir_version)


def numbers(name: str, *values: int) -> bytes:
    """An int64 vector as a Constant node."""
    return constant(name, tensor("", np.array(values, np.int64)))


def number(name: str, single: float, kind: type[np.generic] = np.float32) -> bytes:
    """A scalar as a Constant node."""
    return constant(name, tensor("", np.array(single, kind)))
