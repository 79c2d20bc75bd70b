"""The commands of `tbft-edge fleet` explain themselves, as all others do."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
import typer

from support.commands import ROOT
from tbft_edge.main import app

# They run until they are ended, and say nothing but words.
WITHOUT_JSON = {"superlink", "node"}


def commands(group: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, by its words."""
    assert isinstance(group, click.Group)
    for name, found in group.commands.items():
        if isinstance(found, click.Group):
            yield from commands(found, f"{path}{name} ")
        else:
            yield f"{path}{name}", found


MAIN = typer.main.get_command(app)
assert isinstance(MAIN, click.Group)
FLEET = dict(commands(MAIN.commands["fleet"], ""))


@pytest.mark.parametrize("name", FLEET)
def test_each_has_help_and_json(name: str) -> None:
    """Nothing is left to guess, and programs read each answer."""
    assert [each.name for each in FLEET[name].params if not getattr(each, "help", None)] == []
    assert ("json" in {each.name for each in FLEET[name].params}) == (name not in WITHOUT_JSON)


def test_the_page_of_commands_has_each() -> None:
    """What is on no page is not found."""
    page = (ROOT / "docs" / "commands.md").read_text()
    assert {*re.findall(r"<code>tbft-edge fleet ([a-z -]+)</code>", page)} == {*FLEET}
