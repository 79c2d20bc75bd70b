"""Small parts of every layer: batch norms, or biases."""

from __future__ import annotations

from collections.abc import Sequence

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BatchNormPolicy
from tbft_export.methods.drifts import default_learning_rate
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import method
from tbft_export.training_plan import TrainingPlan

# Inputs of these operators that are added to their result.
_BIASES = {"Conv": 2, "Gemm": 2, "BatchNormalization": 2}


@method("bn-only")
def bn_only(network: Network, options: MethodOptions) -> tuple[TrainingPlan, ...]:
    """Scale and shift of every batch norm, which by default use the statistics of the batch meanwhile.

    Raises TbftError for a network without batch norms, and for one whose batch norms have neither.
    """
    values = [value for node in network.norms for value in node.inputs[1:3]]
    names = [value.name for value in values if value is not None and value.name in network.parameters]
    if not names:
        raise TbftError("the model has no batch norm to train", "choose another `method`")
    return (_plan(network, options, "bn-only", [name for name in names if name], "batch"),)


@method("bias-only")
def bias_only(network: Network, options: MethodOptions) -> tuple[TrainingPlan, ...]:
    """What is added in every layer: biases, and shifts of batch norms.

    Their gradients need no activation, so that with fixed statistics nothing but what activation functions and the
    loss need is kept for the backward pass (TinyTL, NeurIPS 2020, arXiv 2007.11622, section 3.1). Raises TbftError
    for a network without any.
    """
    values = [
        node.inputs[_BIASES[node.op_type]]
        for node in network.forward.graph
        if node.op_type in _BIASES and len(node.inputs) > _BIASES[node.op_type]
    ]
    names = [value.name for value in values if value is not None and value.name in network.parameters]
    if not names:
        raise TbftError("the model has no bias to train", "choose another `method`")
    return (_plan(network, options, "bias-only", [name for name in names if name], "frozen"),)


def _plan(
    network: Network, options: MethodOptions, name: str, parameters: Sequence[str], policy: BatchNormPolicy
) -> TrainingPlan:
    policy = options.batch_norm or policy
    parameters = tuple(each for each in network.parameters if each in parameters)
    return TrainingPlan(
        method=name,
        label=name,
        drift=None,
        blocks=network.modules_of(parameters),
        parameters=parameters,
        policy=policy,
        # Small parts everywhere are trained as everything is.
        lr=default_learning_rate(options.optimizer, "full", policy if network.norms else "frozen"),
    )
