"""The table of methods."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from tbft_artifacts.errors import TbftError
from tbft_export.methods.method import Method, MethodOptions, Network
from tbft_export.training_plan import TrainingPlan

# What every method takes.
_COMMON = frozenset({"optimizer", "batch_norm"})
_FLAGS = {"batch_norm": "--bn", "blocks": "--block"}


@dataclass(frozen=True)
class _Entry:
    function: Method
    takes: frozenset[str]


_METHODS: dict[str, _Entry] = {}


def method(name: str, *takes: str) -> Callable[[Method], Method]:
    """Register the decorated function as the method `name`; of `MethodOptions` it also takes those named.

    Raises ValueError if there is one already.
    """

    def register(function: Method) -> Method:
        if name in _METHODS:
            raise ValueError(f"there is a method {name} already: {_METHODS[name].function.__qualname__}")
        _METHODS[name] = _Entry(function, _COMMON | frozenset(takes))
        return function

    return register


def plan_training(name: str, network: Network, options: MethodOptions) -> tuple[TrainingPlan, ...]:
    """The plans of the method `name`, in the order of what they train. Parameters that are fresh are always trained.

    Raises TbftError for an unknown method, for an option that it does not take, and for a plan that trains nothing; and
    what the method raises.
    """
    _import_methods()
    if name not in _METHODS:
        raise TbftError(f"there is no method '{name}'", f"methods: {', '.join(method_names())}")
    entry = _METHODS[name]
    nothing = MethodOptions()
    for field in fields(MethodOptions):
        given = getattr(options, field.name)
        if field.name not in entry.takes and given != getattr(nothing, field.name):
            flag = _FLAGS.get(field.name, f"--{field.name.replace('_', '-')}")
            raise TbftError(f"{flag} means nothing to --method {name}", f"leave {flag} out, or choose another method")
    plans = tuple(_with_fresh(plan, network) for plan in entry.function(network, options))
    for plan in plans:
        if not (plan.parameters or plan.sparse or plan.exits):
            raise TbftError(f"plan '{plan.label}' of --method {name} trains nothing", "choose another --method")
    return plans


def method_names() -> tuple[str, ...]:
    """Every method, by name."""
    _import_methods()
    return tuple(sorted(_METHODS))


def _with_fresh(plan: TrainingPlan, network: Network) -> TrainingPlan:
    wanted = {*plan.parameters, *network.fresh}
    parameters = tuple(name for name in network.parameters if name in wanted)
    missing = network.modules_of([name for name in network.fresh if name not in plan.parameters])
    added = tuple(block for block in missing if block not in plan.blocks)
    return replace(plan, parameters=parameters, blocks=(*plan.blocks, *added))


@functools.cache
def _import_methods() -> None:
    """Import each file of this package: that registers what it holds."""
    package = importlib.import_module(__package__ or "tbft_export.methods")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
