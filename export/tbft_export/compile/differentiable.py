"""What a gradient cannot pass through, found before any gradient is built."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.operators import IN_BUNDLES
from tbft_export.compile.statistics import batch_statistics
from tbft_export.compile.training import check_types
from tbft_export.graph.behind import nodes_behind
from tbft_export.graph.boundary import find_boundary
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.subgraph import extract
from tbft_export.lowerings.registry import find_lowering
from tbft_export.pipeline import PassRunner, before_gradient
from tbft_export.training_plan import TrainingPlan

# Operators whose gradient ONNX Runtime Training 1.19.2 builds of standard operators alone. That of any other is an
# operator of its own, which a device computes where it has a lowering.
# fmt: off
_STANDARD = frozenset((
    "Abs", "Add", "Cast", "Clip", "Concat", "Cos", "Erf", "Exp", "Expand", "Flatten", "Gather",
    "Gemm", "GlobalAveragePool", "Identity", "Log", "MatMul", "Max", "Min", "Mul", "Neg", "Pad", "Pow", "Reciprocal",
    "ReduceL2", "ReduceLogSumExp", "ReduceMean", "ReduceSum", "Relu", "Reshape", "ScatterElements", "ScatterND",
    "Sin", "Split", "Sqrt", "Squeeze", "Sub", "Tile", "Transpose", "Unsqueeze", "Where",
))
# fmt: on
_NUMBERS = (None, ir.DataType.FLOAT)  # Types that a gradient has; None where the graph does not say it.


def untrainable(forward: ForwardModel, training: TrainingPlan, runner: PassRunner) -> tuple[str, ...]:
    """Why the plan cannot be made: each layer behind what it trains through which no gradient comes, in a line.

    Nothing where nothing is known against it. Exits have a gradient of their own.
    """
    trained = frozenset((*training.parameters, *training.sparse))
    if training.exits is not None:
        return ()
    unknown = [node for node in forward.graph if not _is_computed(node)]
    if unknown:
        return tuple(f"operator {node.op_type} at node '{node.name}' is none that devices compute" for node in unknown)
    boundary = find_boundary(forward.graph, trained)
    suffix = extract(forward.model, boundary, forward.graph.outputs[0]).clone()
    statistics = batch_statistics(forward.graph, suffix.graph, training.policy)
    try:
        check_types(suffix.graph)
        prepared = runner.run(suffix, before_gradient(statistics, training.parameters, training.sparse))
    except TbftError as error:
        return (error.message,)
    behind = nodes_behind(prepared.graph, trained)
    blocking = [node for node in behind if not has_gradient(node)]
    return tuple(f"operator {node.op_type} at node '{node.name}' has no gradient here" for node in blocking)


def _is_computed(node: ir.Node) -> bool:
    """Whether devices compute it, as it is or written otherwise."""
    is_standard = node.domain in ("", "ai.onnx") and node.op_type in IN_BUNDLES
    return is_standard or find_lowering(node.domain, node.op_type) is not None


def has_gradient(node: ir.Node) -> bool:
    """Whether a gradient comes through an operator, as ONNX Runtime builds it and devices compute it."""
    if node.op_type in _STANDARD or not _gives_numbers(node):
        return True
    # Zeros as many as a tensor has, made of its sizes.
    if all(value is None or value.dtype not in _NUMBERS for value in node.inputs):
        return True
    # A maximum that values are compared with asks for none.
    readers = [use.node for use in node.outputs[0].uses()]
    if readers and not any(map(_gives_numbers, readers)):
        return True
    names = (f"{node.op_type}Grad", f"{node.op_type}Grad_13")
    return any(find_lowering(domain, name) is not None for domain in ("com.microsoft", "") for name in names)


def _gives_numbers(node: ir.Node) -> bool:
    return any(value.dtype in _NUMBERS for value in node.outputs)
