"""ONNX Runtime Training's own artifacts of a plan, for who runs that instead of this project's runtime."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_export.compile.gradient import write_ort_training
from tbft_export.graph.forward import ForwardModel
from tbft_export.pipeline import PassRunner, before_gradient
from tbft_export.training_plan import TrainingPlan


def check_official(plans: Iterable[TrainingPlan], forward: ir.Graph) -> None:
    """Raises TbftError unless those artifacts can train as each of `plans` says: exact gradients of whole tensors.

    Of a model in floats, too.
    """
    if any(node.op_type == "DequantizeLinear" for node in forward):
        raise TbftError("ONNX Runtime Training's own artifacts cannot hold a quantised model", "leave `official` out")
    for plan in plans:
        if plan.masked or plan.sparse or plan.exits:
            raise TbftError(
                f"ONNX Runtime Training's own artifacts cannot train as `method` {plan.method} does",
                "leave `official` out, or choose another `method`",
            )


def write_official_artifacts(forward: ForwardModel, plan: Plan, folder: Path, runner: PassRunner) -> None:
    """Write the artifacts of the whole model for `plan` into `folder`.

    Raises TbftError if an operator between the loss and a trained parameter has no gradient.
    """
    trainable = [parameter.name for parameter in plan.parameters]
    passes = before_gradient(plan.batch_statistics, trainable, runs_on_ort_training=True)
    prepared = runner.run(forward.model.clone(), passes)
    frozen = [name for name in prepared.graph.initializers if name in forward.weights and name not in trainable]
    write_ort_training(prepared, trainable, frozen, plan.optimizer.kind, folder)
