"""The table of lowerings: which function writes which training operator with standard ones."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from tbft_export.graph.emitter import Emitter

LowerFunction = Callable[[Emitter], None]


@dataclass(frozen=True)
class Lowering:
    """How nodes of `domain::op_type` are written with operators of the default ONNX domain."""

    domain: str
    op_type: str
    function: LowerFunction

    @property
    def operator(self) -> str:
        return f"{self.domain or 'ai.onnx'}::{self.op_type}"

    @property
    def summary(self) -> str:
        """The first line of the docstring: the formula."""
        return _docstring(self.function).strip().partition("\n")[0]


def _docstring(function: LowerFunction) -> str:
    """Also where Python leaves them out (`-OO`): there the source still has it."""
    if function.__doc__ is not None:
        return function.__doc__
    definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(definition, ast.FunctionDef)
    return ast.get_docstring(definition) or ""


_LOWERINGS: dict[tuple[str, str], Lowering] = {}


def lowers(domain: str, op_type: str) -> Callable[[LowerFunction], LowerFunction]:
    """Register the decorated function as the lowering of `domain::op_type`.

    Raises ValueError if there is one already.
    """

    def register(function: LowerFunction) -> LowerFunction:
        key = (domain, op_type)
        if key in _LOWERINGS:
            raise ValueError(f"{domain}::{op_type} has a lowering already: {_LOWERINGS[key].function.__qualname__}")
        _LOWERINGS[key] = Lowering(domain, op_type, function)
        return function

    return register


def find_lowering(domain: str, op_type: str) -> Lowering | None:
    """The lowering of `domain::op_type`, if there is one."""
    _import_families()
    return _LOWERINGS.get((domain, op_type))


def all_lowerings() -> list[Lowering]:
    """Every lowering, by operator name."""
    _import_families()
    return sorted(_LOWERINGS.values(), key=lambda lowering: lowering.operator)


@functools.cache
def _import_families() -> None:
    """Import each file of this package: that registers what it holds. Once: every node of a graph asks."""
    package = importlib.import_module(__package__ or "tbft_export.lowerings")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
