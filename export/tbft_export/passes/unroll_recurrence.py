"""Write recurrent layers step by step."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.graph.emitter import Emitter
from tbft_export.passes.recurrent_cells import CELLS, Cell, Layer, State

# A step takes up to 15 nodes for each direction, and a device reads graphs of 20,000.
LONGEST = 256
_USUAL = {"GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}


class UnrollRecurrencePass(ir.passes.InPlacePass):
    """GRU, LSTM and RNN over sequences of a known length -> the nodes of each step, by the formulas of `CELLS`.

    ONNX Runtime Training has no gradient for them, and ONNX Runtime's own GRU ends the process where a batch is empty,
    so that devices refuse it. What of a step depends on the sequence alone is one product for all steps.

    Raises TbftError for sequences that are longer than `LONGEST`, of unknown or of different lengths, and for what
    PyTorch's layers do not have: other activations, clipping, peepholes, the batch first.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in model.graph if node.op_type in CELLS and node.domain in ("", "ai.onnx")]
        for node in found:
            _unroll(node)
        return ir.passes.PassResult(model, bool(found))


def _unroll(node: ir.Node) -> None:
    direction = node.attributes.get_string("direction", "forward")
    directions = 2 if direction == "bidirectional" else 1
    _check(node, directions)
    emit = Emitter(node)
    runs = [
        _run(CELLS[node.op_type](layer), backwards=direction == "reverse" or index == 1)
        for index, layer in enumerate(_layers(emit, directions))
    ]
    results: list[ir.Value | None] = []
    for place in range(len(node.outputs)):
        if not emit.is_needed(place):
            results.append(None)
        elif place == 0:
            results.append(_stacked(emit, [_stacked(emit, outputs, 0) for outputs, _ in runs], 1))
        else:
            results.append(_stacked(emit, [state[place - 1] for _, state in runs], 0))
    emit.replace(*results)


def _layers(emit: Emitter, directions: int) -> list[Layer]:
    x, w, r, b, _, *begin = [*emit.node.inputs, None, None][: max(5, len(emit.node.inputs))]
    assert x is not None
    assert w is not None
    assert r is not None
    hidden = emit.node.attributes.get_int("hidden_size", 0)
    weights = [_split(emit, value, directions) for value in (w, r)]
    biases = [None] * directions if b is None else _split(emit, b, directions)
    states = {place: _split(emit, value, directions) for place, value in enumerate(begin) if value is not None}
    return [
        Layer(
            emit,
            x,
            _steps(emit.node),
            hidden,
            weights[0][index],
            weights[1][index],
            biases[index],
            {place: each[index] for place, each in states.items()},
        )
        for index in range(directions)
    ]


def _run(cell: Cell, *, backwards: bool) -> tuple[list[ir.Value], State]:
    """The outputs in the order of time, and the state at the end."""
    outputs, state = [], cell.begin
    for x in reversed(cell.sequence) if backwards else cell.sequence:
        state = cell.step(x, state)
        outputs.append(state[0])
    return outputs[::-1] if backwards else outputs, state


def _split(emit: Emitter, value: ir.Value, directions: int) -> list[ir.Value]:
    """What of an operand belongs to each direction, which its first axis counts."""
    each = [value] if directions == 1 else emit.ops("Split", directions, value, [1] * directions, axis=0)
    return [emit.op("Squeeze", part, [0]) for part in each]


def _stacked(emit: Emitter, values: Sequence[ir.Value], axis: int) -> ir.Value:
    each = [emit.op("Unsqueeze", value, [axis]) for value in values]
    return each[0] if len(each) == 1 else emit.op("Concat", *each, axis=axis)


def _steps(node: ir.Node) -> int:
    x = node.inputs[0]
    steps = None if x is None or x.shape is None else x.shape[0]
    if not isinstance(steps, int):
        raise _refusal(node, "reads a sequence of unknown length", "let it read the same number of steps of each image")
    if not 0 < steps <= LONGEST:
        raise _refusal(
            node, f"reads a sequence of {steps} steps, not of 1 to {LONGEST}", "give it shorter ones: pool ahead of it"
        )
    return steps


def _check(node: ir.Node, directions: int) -> None:
    attributes = node.attributes
    activations = list(attributes.get_strings("activations", ()))
    usual = _USUAL.get(node.op_type, activations[:1] if activations[:1] in (["Tanh"], ["Relu"]) else ["Tanh"])
    lengths, peepholes = (node.inputs[place] if place < len(node.inputs) else None for place in (4, 7))
    for is_odd, what in (
        (activations not in ([], usual * directions), "has other activations than PyTorch's"),
        ("clip" in attributes, "clips what it sums"),
        (attributes.get_int("layout", 0) != 0, "has the batch first"),
        (attributes.get_int("input_forget", 0) != 0, "couples its gates"),
        (lengths is not None, "reads sequences of different lengths"),
        (peepholes is not None, "has peepholes"),
    ):
        if is_odd:
            raise _refusal(node, what, "write the layer as torch.nn has it")


def _refusal(node: ir.Node, what: str, hint: str) -> TbftError:
    return TbftError(f"operator {node.op_type} at node '{node.name}' {what}", hint)
