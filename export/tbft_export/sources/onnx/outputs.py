"""Of what a graph gives, the logits: one output, before what only words them otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from tbft_artifacts.errors import TbftError

# What may stand between the logits and a softmax, or behind it, and changes no number.
_MOVES = frozenset({"Flatten", "Identity", "Dropout", "Reshape", "Squeeze"})
_PROBABILITIES = frozenset({"Softmax", "LogSoftmax"})
_FLOATS = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE})
_CHOICES = frozenset({"ArgMax", "TopK"})


def choose_output(graph: ir.Graph, name: str, wanted: str | None) -> tuple[str, ...]:
    """Leave one output: the `wanted` one, or the only one that gives numbers for each of several classes.

    Returns a note where others were left out unasked. Raises TbftError where there is none, or more than one.
    """
    named = {value.name or "": value for value in graph.outputs}
    if wanted is not None:
        if wanted not in named:
            raise TbftError(f"model '{name}' has no output '{wanted}'", f"`output` can be {_listed(graph.outputs)}")
        chosen = named[wanted]
    else:
        fitting = [value for value in graph.outputs if _may_be_logits(value)]
        kept = graph.outputs if len(graph.outputs) == 1 else fitting
        if len(kept) != 1:
            raise TbftError(
                f"model '{name}' has {len(graph.outputs)} outputs, and it is not said which are the logits",
                f"choose one with `output`: {_listed(graph.outputs)}",
            )
        chosen = kept[0]
    producer = chosen.producer()
    if producer is not None and producer.op_type in _CHOICES:
        raise TbftError(
            f"model '{name}' gives the likeliest class ({producer.op_type}), and the loss takes the logits",
            "export the model again without that last step",
        )
    if chosen.dtype not in _FLOATS:
        kind = "no tensor" if chosen.dtype is None else f"tensors of {chosen.dtype.name.lower()}"
        raise TbftError(
            f"output '{chosen.name}' of model '{name}' gives {kind}, and logits are floats",
            f"choose another one with `output`: {_listed(graph.outputs)}",
        )
    others = len(graph.outputs) > 1 and wanted is None
    graph.outputs.clear()
    graph.outputs.append(chosen)
    return (f"of the outputs '{chosen.name}' is taken for the logits, the only one that fits",) if others else ()


def cut_probabilities(graph: ir.Graph) -> str | None:
    """Let a graph that ends in a softmax give its logits; returns which operator went.

    The likeliest class is the same without it, and the loss has one of its own.
    """
    output = graph.outputs[0]
    node = _behind_moves(output)
    if node is None or node.op_type not in _PROBABILITIES or not _is_over_classes(node, graph):
        return None
    source, result = node.inputs[0], node.outputs[0]
    if source is None or source.is_graph_input():
        return None
    if result is output:
        source.shape, source.type = output.shape, output.type
        graph.outputs[0] = source
    result.replace_all_uses_with(source)
    graph.remove(node, safe=True)
    return node.op_type


def leave_ends(graph: ir.Graph) -> None:
    """Identity and Dropout at the end go."""
    last = graph.outputs[0].producer()
    while last is not None and last.op_type in ("Identity", "Dropout") and last.inputs[0] is not None:
        if last.inputs[0].is_graph_input():
            return
        graph.outputs[0] = _take_over(last.inputs[0], graph.outputs[0])
        last.outputs[0].name = f"{last.outputs[0].name}.left"
        if not last.outputs[0].uses():
            graph.remove(last, safe=True)
        last = graph.outputs[0].producer()


def flatten_logits(graph: ir.Graph) -> None:
    """(N, classes, 1, 1), as a last convolution gives it, becomes (N, classes)."""
    logits = graph.outputs[0]
    shape = logits.shape
    if shape is None or len(shape) < 3 or any(size != 1 for size in shape.dims[2:]):
        return
    name = logits.name or "logits"
    logits.name = f"{name}.map"
    rows = ir.Value(name=name, type=logits.type, shape=ir.Shape(shape.dims[:2]))
    graph.append(ir.Node("", "Flatten", [logits], [ir.AttrInt64("axis", 1)], outputs=[rows], name=f"{name}.rows"))
    graph.outputs[0] = rows


def _behind_moves(value: ir.Value) -> ir.Node | None:
    """What made the numbers of `value`, before they were moved."""
    node = value.producer()
    while node is not None and node.op_type in _MOVES and node.inputs[0] is not None:
        if len(node.inputs[0].uses()) > 1:
            return None
        node = node.inputs[0].producer()
    return node


def _is_over_classes(node: ir.Node, graph: ir.Graph) -> bool:
    """Whether a softmax goes over axis 1, the only one that holds more than one number of an image."""
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    shape = shape or graph.outputs[0].shape
    opset = graph.opset_imports.get("", 0)
    axis = node.attributes.get_int("axis", -1 if opset >= 13 else 1)
    if shape is None or len(shape) < 2:
        return False
    over = range(axis % len(shape), len(shape)) if opset < 13 else [axis % len(shape)]
    return 1 in over and all(size == 1 for index, size in enumerate(shape) if index > 1 and index in over)


def _may_be_logits(value: ir.Value) -> bool:
    """Whether `value` has a number for each of several classes of an image."""
    shape = value.shape
    if shape is None or len(shape) < 2 or value.dtype not in _FLOATS:
        return False
    return shape[1] != 1 and all(size == 1 for size in shape.dims[2:])


def _take_over(value: ir.Value, output: ir.Value) -> ir.Value:
    value.shape, value.type = output.shape or value.shape, output.type or value.type
    return value


def _listed(values: Sequence[ir.Value]) -> str:
    return ", ".join(f"{value.name} ({_sizes(value.shape)})" for value in values)


def _sizes(shape: ir.Shape | None) -> str:
    if shape is None:
        return "any shape"
    return ", ".join(str(size) if isinstance(size, int) else size.value or "?" for size in shape)
