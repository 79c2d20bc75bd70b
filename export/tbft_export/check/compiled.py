"""The written graphs: followed in float64 by PyTorch, and run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir
import torch
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from tbft_export.graph.sessions import Kind, Session
from tbft_export.reference.evaluate import evaluate, precision

# What decides on which side of a kink a number lies.
_COMPARISONS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")

Arrays = Mapping[str, np.ndarray]
Found = dict[str, np.ndarray]


def in_float64(
    folder: Path, name: str, feeds: Arrays, decisions: Arrays | None = None
) -> tuple[dict[str, np.ndarray], int]:
    """The outputs of a graph, node by node, and how many of its `decisions` float64 alone would make otherwise.

    `decisions` are those that were made elsewhere, by the names of their values; they are followed.
    """
    adopted = 0

    def decide(node: ir.Node, results: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        nonlocal adopted
        changed = []
        for value, own in zip(node.outputs, results, strict=False):
            theirs = None if decisions is None else decisions.get(value.name or "")
            if theirs is not None:
                adopted += int((torch.from_numpy(theirs) != own).sum())
            changed.append(own if theirs is None else torch.from_numpy(theirs))
        return tuple(changed)

    with precision(torch.float64), torch.no_grad():
        given = {key: _in_default_type(value) for key, value in feeds.items()}
        found = evaluate(_graph(folder, name), given, decide=decide, otherwise=_by_definition)
    return {key: value.numpy() for key, value in found.items()}, adopted


def in_onnxruntime(folder: Path, name: str, feeds: Arrays) -> Found:
    """The outputs of a graph, in float32."""
    (found,) = each_in_onnxruntime(folder, name, [feeds])
    return found


def each_in_onnxruntime(folder: Path, name: str, several: Sequence[Arrays]) -> list[Found]:
    """The same for several inputs: ONNX Runtime takes longer to load a graph than to run it."""
    session = Session(folder, name, runs_once=True)
    founds = [session.outputs(_in_float32(feeds)) for feeds in several]
    del session
    return founds


def decided_in_onnxruntime(
    folder: Path, name: str, feeds: Arrays
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The same, and beside it what comparisons and max-pools decided on the way."""
    graph = _graph(folder, name)
    watched: dict[str, Kind] = {node.outputs[0].name or "": "bool" for node in graph if node.op_type in _COMPARISONS}
    watched |= {
        node.outputs[1].name or "": "int64" for node in graph if node.op_type == "MaxPool" and len(node.outputs) > 1
    }
    outputs = {value.name for value in graph.outputs}
    watched = {key: kind for key, kind in watched.items() if key not in outputs}
    found = Session(folder, name, watched, runs_once=True).outputs(_in_float32(feeds))
    return {key: value for key, value in found.items() if key not in watched}, {key: found[key] for key in watched}


def _graph(folder: Path, name: str) -> ir.Graph:
    """A graph of the bundle in `folder`, whose weights lie there."""
    graph = ir.load(folder / name).graph
    ir.external_data.set_base_dir(graph, folder)
    return graph


def _by_definition(node: ir.Node, operands: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What the reference of the ONNX standard computes, for operators of a user's layers that PyTorch's tables lack."""
    names = [value.name or "" for value in node.inputs if value is not None]
    evaluator = ReferenceEvaluator(ir.to_proto(node))
    results = evaluator.run(None, {name: each.numpy() for name, each in zip(names, operands, strict=True)})
    return tuple(_in_default_type(np.asarray(each)) for each in results)


def _in_float32(feeds: Arrays) -> Arrays:
    return {name: each.astype(np.float32) if each.dtype == np.float64 else each for name, each in feeds.items()}


def _in_default_type(values: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(values)
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor
