"""What is behind the boundary -> its training graph, and what training everything would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BatchNormPolicy, Cost
from tbft_export.compile.gradient import build_training_model
from tbft_export.compile.statistics import batch_statistics
from tbft_export.graph.activations import stand_ins
from tbft_export.graph.cost import training_cost
from tbft_export.graph.forward import ForwardModel
from tbft_export.pipeline import PassRunner, before_gradient, from_ort_training


def training_model(
    suffix: ir.Model,
    weights: frozenset[str],
    trainable: Sequence[str],
    statistics: Sequence[str],
    runner: PassRunner,
    *,
    sparse: Sequence[str] = (),
    masked: bool = False,
) -> ir.Model:
    """ONNX Runtime's training graph of `suffix`, which is changed, with the activations of the forward graph in it.

    Of its `weights` the `trainable` ones and rows of `sparse` ones are trained. Norms whose running mean `statistics`
    names use the batch's. With `masked` the backward of ReLU6 and hard-swish is a mask. Raises TbftError if an operator
    between the loss and a trained parameter has no gradient.
    """
    prepared = runner.run(suffix, before_gradient(statistics, trainable, sparse))
    trained = [*trainable, *sparse]
    frozen = [name for name in prepared.graph.initializers if name in weights and name not in trained]
    training = build_training_model(prepared, trained, frozen)
    return runner.run(training, from_ort_training(stand_ins(prepared.graph), masked=masked))


def check_types(suffix: ir.Graph) -> None:
    """Raises TbftError that names a node which turns numbers into others than float32: no gradient comes through."""
    for node in suffix:
        to = ir.DataType(node.attributes.get_int("to", ir.DataType.FLOAT)) if node.op_type == "Cast" else None
        if to in (ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16):
            raise TbftError(
                f"the network computes in {to.name.lower()} from node '{node.name}' on, not in float32",
                "take the conversion out of its forward, or train a block behind it",
            )


@dataclass(frozen=True)
class FullCosts:
    """What full fine-tuning of `forward` would cost, found once for plans whose batch norms do the same."""

    forward: ForwardModel
    runner: PassRunner
    _found: dict[tuple[tuple[str, ...], ...], Cost | None] = field(default_factory=dict)

    def of(self, parameters: Sequence[str], policy: BatchNormPolicy) -> Cost | None:
        """Of training all `parameters`; None if the network has an operator without a gradient."""
        # Its suffix is the whole model.
        statistics = batch_statistics(self.forward.graph, self.forward.graph, policy)
        key = tuple(parameters), statistics
        if key not in self._found:
            self._found[key] = self._cost(parameters, statistics)
        return self._found[key]

    def _cost(self, parameters: Sequence[str], statistics: Sequence[str]) -> Cost | None:
        forward = self.forward
        try:
            training = training_model(forward.model.clone(), forward.weights, parameters, statistics, self.runner)
        except TbftError:
            return None
        return training_cost(training.graph, None, sum(forward.tensor(name).size for name in parameters))
