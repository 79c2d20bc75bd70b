"""Forward graph -> the artifacts of ONNX Runtime Training: training, eval, optimizer, checkpoint."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import LOGITS
from tbft_artifacts.plan import OptimizerKind
from tbft_export.graph.forward import IR_VERSION
from tbft_export.quiet import quiet

EVAL_MODEL = "eval_model.onnx"


def write_ort_training(
    forward: ir.Model,
    trainable: Sequence[str],
    frozen: Sequence[str],
    optimizer: OptimizerKind,
    folder: Path,
) -> None:
    """Write the official artifacts that train the parameters `trainable` of `forward` into `folder`.

    `frozen` names the other weights: they go into the checkpoint too, since a batch norm in training
    mode updates its running statistics there. ORT has no Adam: for `adam` its AdamW is written.

    Raises TbftError if an operator between the loss and a trained parameter has no gradient.
    """
    with _building():
        from onnxruntime.training import artifacts

        kinds = {"sgd": artifacts.OptimType.SGD, "adam": artifacts.OptimType.AdamW, "adamw": artifacts.OptimType.AdamW}
        artifacts.generate_artifacts(
            ir.to_proto(forward),
            requires_grad=list(trainable),
            frozen_params=list(frozen),
            loss=artifacts.LossType.CrossEntropyLoss,
            loss_input_names=[LOGITS],
            optimizer=kinds[optimizer],
            additional_output_names=[LOGITS],
            artifact_directory=folder,
        )
    for path in folder.glob("*.onnx"):
        _make_loadable(path)


def build_training_model(forward: ir.Model, trainable: Sequence[str], frozen: Sequence[str]) -> ir.Model:
    """ORT's training graph of `forward`: loss, logits and an accumulated gradient per parameter.

    All weights are graph inputs, those of `forward` from now on, too: it is what ORT's artifacts make of them, and the
    values of a large network need not be copied and checked a dozen times. Shapes of forward values are annotated,
    training operators included.

    Raises TbftError if an operator between the loss and a trained parameter has no gradient.
    """
    _take_in(forward.graph, {*trainable, *frozen})
    with _building():
        from onnxruntime.training import onnxblock

        class Training(onnxblock.TrainingBlock):  # type: ignore[misc]
            """As `generate_artifacts` has it, which also writes the values of all weights into a checkpoint."""

            def build(self, logits: str) -> tuple[str, str]:
                loss = onnxblock.loss.CrossEntropyLoss()(logits)
                inputs = self.base.graph.input
                inputs.insert(1, inputs.pop())  # The labels; weights become inputs only behind them.
                return loss, logits

        training = Training()
        for name in trainable:
            training.requires_grad(name)
        for name in frozen:
            training.requires_grad(name, False)
        with onnxblock.base(ir.to_proto(forward)):
            training(LOGITS)
            model, _ = training.to_model_proto()
    model.ir_version = IR_VERSION
    return ir.serde.deserialize_model(model)


def _take_in(graph: ir.Graph, weights: set[str]) -> None:
    """Turn initializers into inputs."""
    for name in [name for name in graph.initializers if name in weights]:
        value = graph.initializers.pop(name)
        tensor = value.const_value
        assert tensor is not None
        value.const_value, value.shape, value.dtype = None, ir.Shape(tensor.shape.numpy()), tensor.dtype
        graph.inputs.append(value)


@contextlib.contextmanager
def _building() -> Iterator[None]:
    """Inside, ORT Training is quiet, and what it raises is TbftError."""
    with quiet(2):  # ORT's INFO lines
        from onnxruntime.training.onnxblock import _graph_utils

        # A counter of the process goes into the names of values; equal models give equal bundles.
        _graph_utils._GRAPH_TOKEN = 0
        try:
            yield
        except Exception as error:  # ORT's C++ errors come as plain RuntimeError or Exception.
            raise _without_gradient(error) from error


def _make_loadable(path: Path) -> None:
    """Mend what ORT Training 1.19.2 writes but cannot read.

    The optimizer graph carries the newest IR version. The eval graph keeps the training outputs of
    batch norms, which its own kernel rejects in inference mode.
    """
    model = onnx.load(path)
    model.ir_version = IR_VERSION
    if path.name == EVAL_MODEL:
        for node in model.graph.node:
            if node.op_type == "BatchNormalization":
                del node.output[1:]
    onnx.save(model, path)


def _without_gradient(error: Exception) -> TbftError:
    reason = " ".join(str(error).split())
    missing = re.search(r"not been registered:? (?P<operator>\w+) for node (?P<node>\S+)", reason)
    if missing:
        return TbftError(
            f"operator {missing['operator']} at node '{missing['node']}' has no gradient in ONNX Runtime Training",
            "write the layer with operators that have one, or train a block behind it",
        )
    reason = reason.rpartition("[ONNXRuntimeError] :")[2].strip()
    return TbftError(f"ONNX Runtime Training cannot differentiate this model: {reason[-300:]}", "train another block")
