"""One step of each recurrent layer, with standard operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from tbft_export.graph.emitter import Emitter

State = Sequence[ir.Value]
"""What goes from step to step, the output first: (N, H) each."""


@dataclass(frozen=True)
class Cell:
    """One direction of a layer."""

    sequence: Sequence[ir.Value]
    """What of each step depends on the sequence alone, (N, gates * H)."""
    begin: State
    step: Callable[[ir.Value, State], State]
    """What depends on the sequence, and the state -> the state afterwards."""


@dataclass(frozen=True)
class Layer:
    """A recurrent layer in one direction, and where its nodes are written.

    x (steps, N, features), w (gates * H, features), r (gates * H, H), b (2 * gates * H,), the last of which may be
    missing as well as what the state begins with.
    """

    emit: Emitter
    x: ir.Value
    steps: int
    hidden: int
    w: ir.Value
    r: ir.Value
    b: ir.Value | None
    begin: Mapping[int, ir.Value]


def gru(layer: Layer) -> Cell:
    """z, r = sigmoid(x W + h R); n = tanh(x W + r * (h R)), or tanh(x W + (r * h) R); h' = n + z * (h - n).

    The first form of n is that of `linear_before_reset`, and PyTorch's.
    """
    emit, hidden = layer.emit, layer.hidden
    turned, bias = _turned(layer), _biases(layer, 3)
    parts = [2 * hidden, hidden]
    before_reset = emit.node.attributes.get_int("linear_before_reset", 0)
    gate_weights, new_weights = (None, None) if before_reset else emit.ops("Split", 2, turned, parts, axis=1)
    gate_bias, new_bias = (None, None) if bias[1] is None else emit.ops("Split", 2, bias[1], parts, axis=0)

    def step(x: ir.Value, state: State) -> State:
        (h,) = state
        x_gates, x_new = emit.ops("Split", 2, x, parts, axis=1)
        if before_reset:
            h_gates, h_new = emit.ops("Split", 2, _plus(emit, emit.op("MatMul", h, turned), bias[1]), parts, axis=1)
        else:
            h_gates = _plus(emit, emit.op("MatMul", h, gate_weights), gate_bias)
        gates = emit.op("Sigmoid", emit.op("Add", x_gates, h_gates))
        z, r = emit.ops("Split", 2, gates, [hidden, hidden], axis=1)
        if before_reset:
            reset = emit.op("Mul", r, h_new)
        else:
            reset = _plus(emit, emit.op("MatMul", emit.op("Mul", r, h), new_weights), new_bias)
        new = emit.op("Tanh", emit.op("Add", x_new, reset))
        return (emit.op("Add", new, emit.op("Mul", z, emit.op("Sub", h, new))),)

    return Cell(_sequence(layer, bias[0]), _begin(layer, 1), step)


def lstm(layer: Layer) -> Cell:
    """i, o, f = sigmoid(x W + h R); c' = f * c + i * tanh(x W + h R); h' = o * tanh(c')."""
    emit, hidden = layer.emit, layer.hidden
    turned, bias = _turned(layer), _biases(layer, 4)

    def step(x: ir.Value, state: State) -> State:
        h, c = state
        total = emit.op("Add", x, emit.op("MatMul", h, turned))
        gates, new = emit.ops("Split", 2, total, [3 * hidden, hidden], axis=1)
        i, o, f = emit.ops("Split", 3, emit.op("Sigmoid", gates), [hidden] * 3, axis=1)
        kept = emit.op("Mul", f, c)
        cell = emit.op("Add", kept, emit.op("Mul", i, emit.op("Tanh", new)))
        return (emit.op("Mul", o, emit.op("Tanh", cell)), cell)

    return Cell(_sequence(layer, _sum(emit, bias)), _begin(layer, 2), step)


def rnn(layer: Layer) -> Cell:
    """h' = tanh(x W + h R), or relu of it."""
    emit = layer.emit
    turned, bias = _turned(layer), _biases(layer, 1)
    activation = (emit.node.attributes.get_strings("activations", ()) or ["Tanh"])[0]

    def step(x: ir.Value, state: State) -> State:
        return (emit.op(activation, emit.op("Add", x, emit.op("MatMul", state[0], turned))),)

    return Cell(_sequence(layer, _sum(emit, bias)), _begin(layer, 1), step)


def _sequence(layer: Layer, bias: ir.Value | None) -> list[ir.Value]:
    """x W + b of each step, from one product for all."""
    emit = layer.emit
    product = _plus(emit, emit.op("MatMul", layer.x, emit.op("Transpose", layer.w, perm=[1, 0])), bias)
    each = [product] if layer.steps == 1 else emit.ops("Split", layer.steps, product, [1] * layer.steps, axis=0)
    return [emit.op("Squeeze", step, [0]) for step in each]


def _turned(layer: Layer) -> ir.Value:
    return layer.emit.op("Transpose", layer.r, perm=[1, 0])


def _biases(layer: Layer, gates: int) -> Sequence[ir.Value | None]:
    """Of x W and of h R."""
    if layer.b is None:
        return (None, None)
    return layer.emit.ops("Split", 2, layer.b, [gates * layer.hidden] * 2, axis=0)


def _begin(layer: Layer, count: int) -> State:
    return [layer.begin[place] if place in layer.begin else _zeros(layer) for place in range(count)]


def _zeros(layer: Layer) -> ir.Value:
    emit = layer.emit
    shape = emit.op("Concat", emit.op("Shape", layer.x, start=1, end=2), [layer.hidden], axis=0)
    return emit.op("Expand", 0.0, shape)


def _sum(emit: Emitter, bias: Sequence[ir.Value | None]) -> ir.Value | None:
    first, second = bias
    return None if first is None or second is None else emit.op("Add", first, second)


def _plus(emit: Emitter, value: ir.Value, bias: ir.Value | None) -> ir.Value:
    return value if bias is None else emit.op("Add", value, bias)


CELLS: Mapping[str, Callable[[Layer], Cell]] = {"GRU": gru, "LSTM": lstm, "RNN": rnn}
