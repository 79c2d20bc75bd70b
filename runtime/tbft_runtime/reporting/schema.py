"""The JSON Schema of `report.json`, published as docs/report.schema.json.

python -m tbft_runtime.reporting.schema > docs/report.schema.json
"""

from __future__ import annotations

import inspect
import sys
from typing import Any

import msgspec

from tbft_runtime.reporting.report import FORMAT, Report

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def report_schema() -> dict[str, Any]:
    """What `msgspec` says of `Report`, with the format's number fixed. New fields are allowed, as within a format."""
    schema = msgspec.json.schema(Report)
    definitions = schema["$defs"]
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    definitions["Report"]["properties"]["format"] = {"const": FORMAT}
    return {
        "$schema": _DIALECT,
        "title": f"report.json of tbft-edge, format {FORMAT}",
        "description": "What a run of 'tbft-edge train' has to tell: settings, times, energy, board and accuracy.",
        **schema,
    }


def schema_text() -> str:
    """The published file."""
    return msgspec.json.format(msgspec.json.encode(report_schema()), indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
