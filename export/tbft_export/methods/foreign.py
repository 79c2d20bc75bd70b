"""Methods of other packages: their plans are checked as they come in, where nobody behind would name the package."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tbft_artifacts.manifest import PrefixKind
from tbft_artifacts.plan import BatchNormPolicy, Drift
from tbft_artifacts.plugins import NAME_PATTERN, Plugin, PluginError
from tbft_export.methods.method import Method, MethodOptions, Network
from tbft_export.training_plan import TrainingPlan


def guarded(plugin: Plugin, function: Method) -> Method:
    """`function`, where anything but a TbftError that it raises, and plans that make no sense, end as PluginError."""

    def plan(network: Network, options: MethodOptions) -> tuple[TrainingPlan, ...]:
        with plugin.guard():
            plans = tuple(function(network, options))
            for each in plans:
                _check(plugin, each, network, options)
        if not plans:
            raise PluginError(plugin, "it returned no plan")
        return plans

    return plan


class _Said(msgspec.Struct):
    """The fields of a TrainingPlan, with types that are checked."""

    method: str
    # It becomes the name of a folder.
    label: Annotated[str, msgspec.Meta(pattern=rf"\A{NAME_PATTERN}\Z")]
    drift: Drift | None
    blocks: tuple[str, ...]
    parameters: tuple[str, ...]
    policy: BatchNormPolicy
    lr: Annotated[float, msgspec.Meta(gt=0)]
    prefix: PrefixKind
    masked: bool
    sparse: tuple[str, ...]


def _check(plugin: Plugin, plan: TrainingPlan, network: Network, options: MethodOptions) -> None:
    """Raises PluginError, or msgspec.ValidationError."""
    if not isinstance(plan, TrainingPlan):
        raise PluginError(plugin, f"it returned an object of type {type(plan).__name__}, not a TrainingPlan")
    msgspec.convert(plan, _Said, from_attributes=True)
    if plan.method != plugin.name:
        raise PluginError(plugin, f"its plan is said to be by the method {plan.method!r}")
    if plan.prefix not in ("float32", options.prefix):
        raise PluginError(plugin, f"its plan has a prefix in {plan.prefix}, which nobody asked for")
    if plan.exits is not None:
        raise PluginError(plugin, "its plan trains exits, which only methods of tbft-edge itself can")
    if unknown := [name for name in (*plan.parameters, *plan.sparse) if name not in network.parameters]:
        raise PluginError(plugin, f"its plan trains {unknown[0]!r}, which is no parameter of the network")
