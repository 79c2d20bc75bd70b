"""Describe what a package offers, as JSON on stdout: `python probe.py PACKAGE`. Runs in the environment of a tree."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
import sys
from typing import Any

_FUNCTION = re.compile(r"<function \S+ at 0x[0-9a-f]+>")


def describe(package: str) -> dict[str, Any]:
    """For each public name: its parameters in order, and of a class its fields and what else it has."""
    module = importlib.import_module(package)
    return {name: _describe(getattr(module, name)) for name in module.__all__}


def _describe(thing: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"parameters": [], "fields": [], "members": []}
    if callable(thing):
        described["parameters"] = [_parameter(each) for each in inspect.signature(thing).parameters.values()]
    if isinstance(thing, type):
        described["fields"] = _fields(thing)
        described["members"] = sorted(name for name in dir(thing) if not name.startswith("_"))
    return described


def _parameter(parameter: inspect.Parameter) -> dict[str, Any]:
    """`default` is None where one has to be given; of a function it does not matter which one it is."""
    given = parameter.default is inspect.Parameter.empty
    return {
        "name": parameter.name,
        "keyword_only": parameter.kind is inspect.Parameter.KEYWORD_ONLY,
        "default": None if given else _FUNCTION.sub("a function", repr(parameter.default)),
    }


def _fields(thing: Any) -> list[str]:
    """Of a dataclass or a msgspec struct."""
    if dataclasses.is_dataclass(thing):
        return [field.name for field in dataclasses.fields(thing)]
    return list(getattr(thing, "__struct_fields__", ()))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(describe(sys.argv[1])))
