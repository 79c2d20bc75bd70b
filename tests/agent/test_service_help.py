"""The commands of `tbft-edge agent` explain themselves, as all others do."""

from __future__ import annotations

import re
from collections.abc import Callable

import click
import pytest
import typer

from support.commands import ROOT, Ended
from tbft_edge.main import app

_MAIN = typer.main.get_command(app)
assert isinstance(_MAIN, click.Group)
_GROUP = _MAIN.commands["agent"]
assert isinstance(_GROUP, click.Group)
NAMES = tuple(_GROUP.commands)
# Says nothing but words until it ends.
WITHOUT_JSON = {"run"}


@pytest.mark.parametrize("name", NAMES)
def test_each_has_help_and_json(command: Callable[..., Ended], name: str) -> None:
    """Nothing is left to guess, and programs read each answer."""
    ended = command("agent", name, "--help")
    assert ended.code == 0, ended
    assert f"tbft-edge agent {name} [OPTIONS]" in ended.out
    assert ("--json" in ended.out) == (name not in WITHOUT_JSON)
    assert isinstance(_GROUP, click.Group)
    for parameter in _GROUP.commands[name].params:
        assert getattr(parameter, "help", None), parameter.name


def test_the_page_of_commands_has_each() -> None:
    """What is on no page is not found."""
    page = (ROOT / "docs" / "commands.md").read_text()
    assert {*re.findall(r"<code>tbft-edge agent ([a-z]+)</code>", page)} == {*NAMES}
