"""docs/agent.md says what is: every setting with its default, every state with what it leads to, every metric."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator

import msgspec

from support.commands import ROOT
from tbft_agent import metrics
from tbft_agent.settings import Settings
from tbft_agent.states import TRANSITIONS, State

PAGE = (ROOT / "docs" / "agent.md").read_text()


def table(heading: str) -> list[list[str]]:
    """Rows of the first table behind a heading, its own two lines left out."""
    lines = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert len(rows) > 2, heading
    return rows[2:]


def settings_of(kind: type[msgspec.Struct], above: str = "") -> Iterator[tuple[str, str]]:
    """Names as TOML has them, and defaults as the page shows them."""
    for each in msgspec.structs.fields(kind):
        inner = [part for part in (each.type, *getattr(each.type, "__args__", ())) if _is_struct(part)]
        if inner:
            yield from settings_of(inner[0], f"{above}{each.name}.")
        elif each.required:
            yield above + each.name, "must be given"
        else:
            yield above + each.name, "–" if each.default is None else f"`{_shown(each.default)}`"


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


def test_every_setting_is_there_with_its_default() -> None:
    """Who reads the page and who reads the code find the same."""
    assert [(row[0].strip("`"), row[1]) for row in table("Every setting")] == list(settings_of(Settings))


def test_configurations_on_the_page_are_ones() -> None:
    """Each block can be copied: nothing in it is refused, whole or beside the first."""
    first, *others = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(others) == 3
    assert msgspec.toml.decode(first, type=Settings).camera is not None
    for text in others:
        msgspec.convert(tomllib.loads(first) | tomllib.loads(text), Settings)


def test_states_lead_where_the_page_says() -> None:
    """The table of the page is that of the code, without a row more or less."""
    told = {}
    for state, _, ways in table("What it is at"):
        for way in ways.split(";"):
            events, _, after = way.partition("→")
            told |= {
                (state.strip("`"), event): re.findall(r"`([^`]+)`", after)[0]
                for event in re.findall(r"`([^`]+)`", events)
            }
    assert told == {(before.value, event.value): after.value for (before, event), after in TRANSITIONS.items()}
    assert {state.strip("`") for state, *_ in table("What it is at")} == {state.value for state in State}


def test_every_metric_has_a_row() -> None:
    """Under the name that Prometheus sees, a counter's with `_total`."""
    code = (ROOT / "agent" / "tbft_agent" / "metrics.py").read_text()
    gauges = {*re.findall(r'gauge\("(\w+)"', code), *re.findall(r'Gauge\("tbft_edge_agent_(\w+)"', code)}
    counters = {f"{name}_total" for name in re.findall(r'^ +\("(\w+)", "', code, re.MULTILINE)}
    assert metrics.__file__.endswith("metrics.py")
    assert len(counters) == 2
    assert {name for names, _ in table("Look at it") for name in re.findall(r"`(\w+)`", names)} == gauges | counters
