"""Forward graph -> the artifacts of ONNX Runtime Training: training, eval, optimizer, checkpoint."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import LOGITS
from tbft_artifacts.plan import OptimizerKind
from tbft_export.graph.forward import IR_VERSION
from tbft_export.quiet import quiet

TRAINING_MODEL = "training_model.onnx"
EVAL_MODEL = "eval_model.onnx"


def write_ort_training(
    forward: ir.Model,
    trainable: Sequence[str],
    frozen: Sequence[str],
    optimizer: OptimizerKind | None,
    folder: Path,
) -> None:
    """Write the official artifacts that train the parameters `trainable` of `forward` into `folder`.

    `frozen` names the other weights: they go into the checkpoint too, since a batch norm in training
    mode updates its running statistics there. ORT has no Adam: for `adam` its AdamW is written.

    Raises TbftError if an operator between the loss and a trained parameter has no gradient.
    """
    with quiet(2):  # ORT's INFO lines
        from onnxruntime.training import artifacts
        from onnxruntime.training.onnxblock import _graph_utils

        # A counter of the process goes into the names of values; equal models give equal bundles.
        _graph_utils._GRAPH_TOKEN = 0
        kinds = {"sgd": artifacts.OptimType.SGD, "adam": artifacts.OptimType.AdamW, "adamw": artifacts.OptimType.AdamW}
        try:
            artifacts.generate_artifacts(
                ir.to_proto(forward),
                requires_grad=list(trainable),
                frozen_params=list(frozen),
                loss=artifacts.LossType.CrossEntropyLoss,
                loss_input_names=[LOGITS],
                optimizer=None if optimizer is None else kinds[optimizer],
                additional_output_names=[LOGITS],
                artifact_directory=folder,
            )
        except Exception as error:  # ORT's C++ errors come as plain RuntimeError or Exception.
            raise _without_gradient(error) from error
    for path in folder.glob("*.onnx"):
        _make_loadable(path)


def build_training_model(forward: ir.Model, trainable: Sequence[str], frozen: Sequence[str]) -> ir.Model:
    """ORT's training graph of `forward`: loss, logits and an accumulated gradient per parameter.

    All weights are graph inputs. Shapes of forward values are annotated, training operators included.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_ort_training(forward, trainable, frozen, None, Path(folder))
        return ir.from_proto(onnx.load(Path(folder) / TRAINING_MODEL))


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
