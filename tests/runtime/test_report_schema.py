"""The published JSON Schema says what the code writes and reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from support.made_up_reports import made_up_report, no_energy
from support.made_up_selections import made_up_selection
from tbft_runtime import Report
from tbft_runtime.profiling.profile import GraphProfile, Profile, Slice
from tbft_runtime.reporting.schema import report_schema, schema_text

PUBLISHED = Path(__file__).parents[2] / "docs" / "report.schema.json"
PROFILE = Profile(
    steps=20,
    batch_size=32,
    graphs=(
        GraphProfile(
            graph="gradient",
            wall_ms=10.0,
            kernel_ms=9.0,
            operators=(Slice(name="Conv", milliseconds=9.0, calls=12),),
            layers=(Slice(name="layer3.0.conv1", milliseconds=9.0, calls=12),),
        ),
    ),
)
REPORTS = [
    made_up_report("full"),
    made_up_report("input", energy=no_energy(20.0), accuracy_before=None, accuracy_after=None, latency={}),
    made_up_report(selection=made_up_selection()),
    msgspec.structs.replace(made_up_report(), profile=PROFILE, step_ms=None, telemetry=(), per_class=()),
]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(PUBLISHED.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def as_data(report: Report) -> Any:
    return json.loads(msgspec.json.encode(report))


def test_the_published_schema_is_what_the_code_says() -> None:
    """Else write it again: python -m tbft_runtime.reporting.schema > docs/report.schema.json"""
    assert PUBLISHED.read_text() == schema_text()


@pytest.mark.parametrize("report", REPORTS)
def test_reports_are_valid(report: Report, validator: Draft202012Validator) -> None:
    """With and without meter, labels and profile."""
    validator.validate(as_data(report))


@pytest.mark.parametrize(
    ("field", "value"),
    [("format", 3), ("format", "1"), ("classes", [1]), ("step_ms", 3), ("epochs", None), ("confusion_after", [[0, 0]])],
)
def test_what_reading_refuses_is_not_valid(field: str, value: Any, validator: Draft202012Validator) -> None:
    """The schema is no wider than the reader where types are concerned."""
    data = as_data(made_up_report()) | {field: value}
    assert not validator.is_valid(data)


def test_a_later_field_is_valid(validator: Draft202012Validator) -> None:
    """A reader of today takes the report of a later version of the same format."""
    validator.validate(as_data(made_up_report()) | {"humidity": 0.4})


@pytest.mark.parametrize("definition", ["Report", "TrainResult", "EpochRecord"])
def test_every_field_is_described(definition: str) -> None:
    """By what stands below it in the code, so that the file can be read without that."""
    properties = report_schema()["$defs"][definition]["properties"]
    assert [name for name, field in properties.items() if not field.get("description")] == []


def test_every_definition_is_described() -> None:
    """In text without the indentation of the code."""
    for name, definition in report_schema()["$defs"].items():
        assert definition.get("description"), name
        assert "\n    " not in definition["description"], name
