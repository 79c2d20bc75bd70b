"""The JSON Schema of `report.json`, published as docs/report.schema.json.

python -m tbft_runtime.reporting.schema > docs/report.schema.json
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec

from tbft_runtime.reporting.report import FORMAT, Report

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def report_schema() -> dict[str, Any]:
    """What `msgspec` says of `Report`, with the format's number fixed, and what stands below each field.

    New fields are allowed, as within a format.
    """
    schema = msgspec.json.schema(Report)
    definitions = schema["$defs"]
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    definitions["Report"]["properties"]["format"] = {"const": FORMAT}
    for struct in _structs(msgspec.inspect.type_info(Report)):
        for name, text in _field_docs(struct):
            definitions[struct.__name__]["properties"][name]["description"] = text
    return {
        "$schema": _DIALECT,
        "title": f"report.json of tbft-edge, format {FORMAT}",
        "description": "What a run of 'tbft-edge train' has to tell: settings, times, energy, board and accuracy.",
        **schema,
    }


def _structs(part: object) -> Iterator[type[msgspec.Struct]]:
    """Every struct in a type, as `msgspec` takes it apart, from the outside in."""
    if isinstance(part, msgspec.inspect.StructType):
        yield part.cls
    if isinstance(part, msgspec.inspect.Type | msgspec.inspect.Field):
        part = msgspec.structs.astuple(part)
    if isinstance(part, tuple):
        for inner in part:
            yield from _structs(inner)


def _field_docs(struct: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    """The fields that have a docstring below them, and what it says; only the source knows that."""
    (found,) = ast.parse(inspect.getsource(struct)).body
    assert isinstance(found, ast.ClassDef)
    for field, below in pairwise(found.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


def schema_text() -> str:
    """The published file."""
    return msgspec.json.format(msgspec.json.encode(report_schema()), indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
