"""The table of methods: the files of this folder, and where a name is none of theirs, what other packages bring."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from types import ModuleType

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plugins import Plugin, PluginError, find_plugin, plugin_names
from tbft_export.methods.foreign import guarded
from tbft_export.methods.method import Method, MethodOptions, Network
from tbft_export.training_plan import TrainingPlan

# What every method takes.
_COMMON = frozenset({"optimizer", "batch_norm"})


@dataclass(frozen=True)
class _Entry:
    function: Method
    takes: frozenset[str]


_METHODS: dict[str, _Entry] = {}


def method(name: str, *takes: str) -> Callable[[Method], Method]:
    """Register the decorated function as the method `name`; of `MethodOptions` it also takes those named.

    Raises ValueError if there is one already, and for an option that `MethodOptions` does not have.
    """
    if unknown := set(takes) - {field.name for field in fields(MethodOptions)}:
        raise ValueError(f"MethodOptions has no {', '.join(sorted(unknown))}")

    def register(function: Method) -> Method:
        if not _is_ours(function):
            _built_in()  # Their names are taken, also where another package is imported before them.
        if name in _METHODS:
            raise ValueError(f"there is a method {name} already: {_METHODS[name].function.__qualname__}")
        _METHODS[name] = _Entry(function, _COMMON | frozenset(takes))
        return function

    return register


def plan_training(name: str, network: Network, options: MethodOptions) -> tuple[TrainingPlan, ...]:
    """The plans of the method `name`, in the order of what they train. Parameters that are fresh are always trained.

    Raises TbftError for an unknown method, for an option that it does not take, and for a plan that trains nothing; and
    what the method raises, or for one of another package PluginError.
    """
    entry = _find(name)
    nothing = MethodOptions()
    for field in fields(MethodOptions):
        given = getattr(options, field.name)
        if field.name not in entry.takes and given != getattr(nothing, field.name):
            raise TbftError(
                f"`{field.name}` means nothing to `method` {name}",
                f"leave `{field.name}` out, or choose another method",
            )
    plans = tuple(_with_fresh(plan, network) for plan in entry.function(network, options))
    for plan in plans:
        if not (plan.parameters or plan.sparse or plan.exits):
            raise TbftError(f"plan '{plan.label}' of `method` {name} trains nothing", "choose another `method`")
    return plans


def method_names() -> tuple[str, ...]:
    """Every method by name, those of other packages included, which are not imported for it."""
    built_in = _built_in()
    return tuple(sorted({*_METHODS, *plugin_names("method", built_in)}))


def _find(name: str) -> _Entry:
    """A built-in method, or else that of an installed package, or one that whoever imports this registered."""
    built_in = _built_in()
    plugin = None if name in built_in else find_plugin("method", name, built_in)
    if plugin is not None:
        return _load(plugin)
    if name not in _METHODS:
        raise TbftError(f"there is no method '{name}'", f"methods: {', '.join(method_names())}")
    return _METHODS[name]


def _load(plugin: Plugin) -> _Entry:
    """What the entry point names: a registered function or the module that registers it, or a plain function.

    A plain function takes what every method takes. Raises PluginError for anything else.
    """
    loaded = plugin.load()
    names = [name for name, entry in _METHODS.items() if entry.function is loaded]
    if names and plugin.name not in names:
        raise PluginError(plugin, f"it is registered by another name: {names[0]!r}")
    if names or isinstance(loaded, ModuleType):
        entry = _METHODS.get(plugin.name)
    else:
        entry = _Entry(loaded, _COMMON) if callable(loaded) else None
    if entry is None:
        raise PluginError(
            plugin, f"its entry point names an object of type {type(loaded).__name__}, which brings no such method"
        )
    return replace(entry, function=guarded(plugin, entry.function))


def _with_fresh(plan: TrainingPlan, network: Network) -> TrainingPlan:
    wanted = {*plan.parameters, *network.fresh}
    parameters = tuple(name for name in network.parameters if name in wanted)
    missing = network.modules_of([name for name in network.fresh if name not in plan.parameters])
    added = tuple(block for block in missing if block not in plan.blocks)
    return replace(plan, parameters=parameters, blocks=(*plan.blocks, *added))


@functools.cache
def _built_in() -> frozenset[str]:
    """Import each file of this package, which registers what it holds; the names of those."""
    package = importlib.import_module(__package__ or "tbft_export.methods")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return frozenset(name for name, entry in _METHODS.items() if _is_ours(entry.function))


def _is_ours(function: Method) -> bool:
    return function.__module__.startswith(f"{__package__}.")
