"""Which lowerings and passes have a test: the tests say so themselves, and are read without being run."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

TESTS = Path(__file__).parents[1] / "export"

Test = TypeVar("Test", bound=Callable[..., None])


def covers(*names: str) -> Callable[[Test], Test]:
    """Say what the decorated test compares: operators (`domain::op_type`) or passes, written out for `covered`."""
    return lambda test: test


def covered() -> set[str]:
    """What any test of the compiler covers. Read from the files, so that one of them can be run alone."""
    return {name for path in TESTS.rglob("test_*.py") for name in _names(ast.parse(path.read_text()))}


def _names(tree: ast.Module) -> Iterator[str]:
    for test in tree.body:
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
            for call in test.decorator_list:
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == covers.__name__:
                    yield from (ast.literal_eval(name) for name in call.args)
