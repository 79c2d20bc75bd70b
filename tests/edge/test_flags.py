"""Compiler and runtime name options as Python does; whoever runs a command reads flags."""

from __future__ import annotations

from collections import defaultdict

import click
import typer
from msgspec.structs import replace

from support.made_up_reports import made_up_report, no_energy
from tbft_edge.flags import flags, with_flags
from tbft_edge.main import app
from tbft_edge.reports import shown

COMMANDS = typer.main.get_command(app)
assert isinstance(COMMANDS, click.Group)


def test_an_option_has_one_flag() -> None:
    """Whichever command it is of: what compiler and runtime say may belong to another one than that which runs."""
    known: dict[str, set[str]] = defaultdict(set)
    for command in COMMANDS.commands.values():
        for name, flag in flags(command).items():
            known[name].add(flag)
    assert known["batch_norm"] == {"--bn"}
    assert {name: several for name, several in known.items() if len(several) > 1} == {}


def test_names_become_flags_where_a_command_runs() -> None:
    """Others, and what is no name, stay as they are; so does everything for Python."""
    text = "`val_fraction` 3 and `batch_norm` adapt, but `watts`, `layer3.0` and val_fraction"
    assert with_flags(text) == text
    with click.Context(COMMANDS):
        assert with_flags(text) == "--val-fraction 3 and --bn adapt, but `watts`, `layer3.0` and val_fraction"


def test_a_report_says_flags_where_a_command_runs() -> None:
    """Why there are no joules is kept with a run; nothing else of it changes, such as what somebody called a class."""
    why = "switched off with `meter` none"
    report = replace(made_up_report(energy=replace(no_energy(20.0), unavailable=why)), classes=("`lr`", "bee"))
    assert shown(report) == report
    with click.Context(COMMANDS):
        told = shown(report)
    assert told.result.energy.unavailable == "switched off with --meter none"
    assert replace(told, result=report.result) == report
    assert replace(told.result, energy=report.result.energy) == report.result
