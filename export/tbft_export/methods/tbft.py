"""Target block fine-tuning: what drifted says which block is trained."""

from __future__ import annotations

from dataclasses import replace

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Drift
from tbft_export.methods.drifts import ANSWERS, Target, default_learning_rate, targets, usual_target
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import method
from tbft_export.training_plan import TrainingPlan


@method("tbft", "drift", "blocks", "prefix")
def tbft(network: Network, options: MethodOptions) -> tuple[TrainingPlan, ...]:
    """The front for drift at the input, the last stage for drift of features, the head for drift of the output.

    Source: "Towards Low-Energy Adaptive Personalization for Resource-Constrained Devices", EuroMLSys 2024
    (arXiv 2403.15905), section 3. With `blocks` those are trained for the drift instead; for drift "all" there is a
    plan for every block and one for everything. Raises TbftError if no drift is given, for "all" with blocks, and for
    an unknown block.
    """
    if options.drift is None:
        raise TbftError("it is not said what drifted", f"give `drift` {', '.join(ANSWERS)} or all")
    if options.drift != "all":
        named = Target(options.drift, options.blocks)
        return (_plan(network, options, named if options.blocks else _usual(network, options.drift)),)
    if options.blocks:
        raise TbftError(
            f"`drift` all finds the blocks itself, but `blocks` {options.blocks[0]} was given",
            "leave `blocks` out, or name the one drift that the block is trained for",
        )
    return tuple(_plan(network, options, target) for target in targets(network.blocks))


@method("last-layer", "prefix")
def last_layer(network: Network, options: MethodOptions) -> tuple[TrainingPlan, ...]:
    """The head alone, as for drift of the output, whatever drifted."""
    plan = _plan(network, options, _usual(network, "output"), "last-layer")
    return (replace(plan, drift=None),)


@method("full")
def full(network: Network, options: MethodOptions) -> tuple[TrainingPlan, ...]:
    """Everything: the baseline."""
    return (_plan(network, options, _usual(network, "full"), "full"),)


def _usual(network: Network, drift: Drift) -> Target:
    """What the drift calls for. Raises TbftError where the network has no such part."""
    target = usual_target(network.blocks, drift)
    if target.blocks:
        return target
    works = [each.drift for each in targets(network.blocks)]
    raise TbftError(
        f"the network has nothing that {drift} drift calls for: its blocks are {', '.join(network.blocks.names)}",
        f"`drift` {' and '.join(works)} train it; or name modules to train with `blocks`, one of these or a part",
    )


def _plan(network: Network, options: MethodOptions, target: Target, name: str = "tbft") -> TrainingPlan:
    policy = options.batch_norm or ANSWERS[target.drift].policy
    # A network without norms trains as if its statistics were fixed.
    fixed = policy if network.norms else "frozen"
    lr = default_learning_rate(options.optimizer, target.drift, fixed, network.features(target.blocks))
    own = (target.drift,) if target.is_usual else (target.drift, target.name)
    # Of several plans only those have an int8 prefix that have one at all.
    has_prefix = options.drift != "all" or ANSWERS[target.drift].has_prefix
    return TrainingPlan(
        method=name,
        label="-".join(own) if name == "tbft" else name,
        drift=target.drift,
        blocks=target.blocks,
        parameters=network.inside(target.blocks),
        policy=policy,
        lr=lr,
        prefix=options.prefix if has_prefix else "float32",
    )
