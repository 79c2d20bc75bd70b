"""MobileTL: the top blocks, whose inner norms train their shift only, with masks for activation functions."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import is_inside
from tbft_export.graph.activations import begins_activation
from tbft_export.methods.drifts import default_learning_rate
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import method
from tbft_export.training_plan import TrainingPlan

# Of the blocks of a network this part is trained by default: 5 of MobileNetV2's 17, as in the paper's table.
DEFAULT_SHARE = 0.3


@method("mobiletl", "top_blocks", "prefix")
def mobiletl(network: Network, options: MethodOptions) -> tuple[TrainingPlan, ...]:
    """The last residual blocks and what is behind them; everything before is frozen.

    Convolutions are trained whole. A norm followed by an activation function trains its shift alone: with fixed
    statistics the gradient of a shift is a sum of dY, and dX = dY * scale, so that nothing is kept for it. Any other
    norm, the last one of an inverted residual block, trains scale and shift. The backward pass of ReLU6 and
    hard-swish is the mask 1[a >= 0], which is read from the function's output, since the next convolution
    keeps that anyway (`masked`).

    Source: "MobileTL: On-device Transfer Learning with Inverted Residual Blocks", AAAI 2023 (arXiv 2212.03246),
    sections 3.2 to 3.4. What the paper leaves open: a norm behind the last block, ahead of the head, counts as an
    inner one if an activation function follows; the head is trained.

    Raises TbftError for a network without such blocks, for more blocks than there are, and for norms with the
    statistics of the batch, whose backward pass would need what they normalise.
    """
    blocks = network.blocks.residual_blocks
    if not blocks:
        raise TbftError(
            "the model has no residual blocks, which mobiletl counts from the end", "choose another `method`"
        )
    count = options.top_blocks or max(1, round(DEFAULT_SHARE * len(blocks)))
    if count > len(blocks):
        raise TbftError(f"the model has {len(blocks)} residual blocks, not {count}", "lower `top_blocks`")
    policy = options.batch_norm or "frozen"
    if policy not in ("frozen", "adapt"):
        raise TbftError(
            f"`batch_norm` {policy} makes the gradient of a norm depend on what it normalises, which mobiletl "
            "does not keep",
            "export with `batch_norm` frozen or `batch_norm` adapt",
        )
    trained = _from(network, blocks[-count])
    fixed = _inner_scales(network)
    return (
        TrainingPlan(
            method="mobiletl",
            label=f"mobiletl-{count}",
            drift=None,
            blocks=trained,
            parameters=tuple(name for name in network.inside(trained) if name not in fixed),
            policy=policy,
            lr=default_learning_rate(options.optimizer, "feature", policy),
            prefix=options.prefix,
            masked=True,
        ),
    )


def _from(network: Network, block: str) -> tuple[str, ...]:
    """The residual block `block`, those behind it, and the modules that follow the last one."""
    blocks = network.blocks.residual_blocks
    last = max(index for index, name in enumerate(network.parameters) if is_inside(name, blocks[-1]))
    behind = network.modules_of(network.parameters[last + 1 :])
    return (*blocks[blocks.index(block) :], *behind)


def _inner_scales(network: Network) -> frozenset[str]:
    """The scales of the norms that an activation function follows."""
    return frozenset(
        norm.inputs[1].name or "" for norm in network.norms if norm.inputs[1] is not None and _is_activated(norm)
    )


def _is_activated(norm: ir.Node) -> bool:
    return any(begins_activation(node) for node, _ in norm.outputs[0].uses())
