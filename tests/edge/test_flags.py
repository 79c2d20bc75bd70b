"""Compiler and runtime name options as Python does; whoever runs a command reads flags."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from support.bundles import compiled
from support.commands import DEVICE, ROOT, run
from tbft_edge.flags import flags, with_flags
from tbft_edge.main import app
from tbft_runtime import read_report
from tbft_runtime.meters.registry import SWITCHED_OFF
from tbft_runtime.run.resolve import RULES

COMMANDS = typer.main.get_command(app)
assert isinstance(COMMANDS, click.Group)
BELOW = [ROOT / half / f"tbft_{half}" for half in ("artifacts", "runtime", "export")]
# Columns of an external meter's file, which stand in backticks, too.
COLUMNS = {"seconds", "watts"}
# `bench` shares the first with the program that gave a board work while its power was measured, `agent purge`
# the second with systemctl.
OTHERS = {"--cpu", "--now"}


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Every piece of text in the code below a folder that is no docstring, and where it stands."""
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text())
        described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
                yield f"{path.name}:{node.lineno}", node.value


@pytest.mark.parametrize("folder", BELOW, ids=lambda folder: folder.name)
def test_no_flag_is_named_below(folder: Path) -> None:
    """They mean nothing to who calls `train` from Python. Flags of other programs may be named."""
    ours = {flag for command in COMMANDS.commands.values() for flag in flags(command).values()} - OTHERS
    found = [
        (where, flag)
        for where, text in texts(folder)
        if text != SWITCHED_OFF
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)
    ]
    assert [(where, flag) for where, flag in found if flag in ours] == []


@pytest.mark.parametrize("folder", BELOW, ids=lambda folder: folder.name)
def test_every_option_that_is_named_below_has_a_flag(folder: Path) -> None:
    """A mistyped name would reach the terminal in backticks."""
    found = [(where, name) for where, text in texts(folder) for name in re.findall(r"`(\w+)`", text)]
    assert found
    assert [(where, name) for where, name in found if name not in flags(COMMANDS).keys() | COLUMNS] == []


def test_every_setting_of_a_run_has_a_flag() -> None:
    """Its name is put into messages, where the test above does not see it."""
    assert {rule.name for rule in RULES} - flags(COMMANDS).keys() == set()


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


@pytest.mark.parametrize(
    "name", ["`out`", "a `out` b", "it's `out`", "x'`out`", "`", "`out", "dir/`data`/`seed`.jpg", "`out` (1)"]
)
def test_what_strangers_name_becomes_no_flag(name: str) -> None:
    """Names stand between quotes, and may look like an option."""
    with click.Context(COMMANDS):
        assert with_flags(f"'{name}' is wrong; give `seed`") == f"'{name}' is wrong; give --seed"
        assert with_flags(f"('{name}')") == f"('{name}')"


def test_an_apostrophe_is_no_quote() -> None:
    with click.Context(COMMANDS):
        assert with_flags("the plan's `seed`, and 'a' and `out`") == "the plan's --seed, and 'a' and --out"


def test_people_read_flags(squares: Path, tmp_path: Path) -> None:
    """On the terminal, in JSON, on pages and in what a run keeps, whose words stay those that earlier reports have."""
    out = tmp_path / "run"
    options = ("--data", squares, "--out", out, "--epochs", "1", "--threads", "1", "--meter", "none")
    trained = run(DEVICE, "train", compiled("output-frozen"), *options, "--json")
    assert json.loads(trained.out)["energy"]["unavailable"] == "switched off with --meter none"
    assert read_report(out).result.energy.unavailable == SWITCHED_OFF
    shown_as = [run(DEVICE, "report", out, "--format", form) for form in ("table", "csv", "markdown", "html", "json")]
    assert ["switched off with --meter none" in ended.out + ended.err for ended in shown_as] == [True] * 5
    assert "switched off with --meter none" in (out / "report.html").read_text()


def test_the_doctor_says_flags() -> None:
    """In both forms."""
    (words,) = (
        check["text"] for check in json.loads(run(DEVICE, "doctor", "--json").out) if check["name"] == "meter csv"
    )
    assert words == "taken when it is named: --meter csv:FILE"
    assert f"meter csv: {words}\n" in run(DEVICE, "doctor").out
