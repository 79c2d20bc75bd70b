"""Every number that a command takes has a range: what is beyond ends in one line, and nothing is begun."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest
import typer

from support.bundles import compiled
from support.commands import ERROR, Ended
from tbft_edge.main import app

Command = Callable[..., Ended]
ABSURD = ("nan", "inf", "-inf", "-1", str(2**62), "1e400", "1e308", "9" * 400, "9" * 5000)
# Of text: amounts of memory and parts of a whole.
AMOUNTS = ("memory_budget", "update_budget", "compute_budget", "memory")
# Any whole number may be a seed, as far as generators take it; with a rate that float32 holds training diverges.
FINE = {("train", option, str(2**62)) for option in ("seed", "lr", "momentum", "weight_decay")}
NUMBERS = (click.INT.__class__, click.FLOAT.__class__, click.IntRange, click.FloatRange)


def numeric() -> list[tuple[str, str]]:
    """Each command of a device with each option of it that takes a number."""
    commands = typer.main.get_command(app)
    assert isinstance(commands, click.Group)
    return [
        (name, option.name or "")
        for name, command in commands.commands.items()
        for option in command.params
        if name not in ("export", "reproduce", "corrupt", "report")
        and (isinstance(option.type, NUMBERS) or option.name in AMOUNTS)
    ]


def arguments(command: str, data: Path, out: Path) -> list[str | Path]:
    """What the command needs beside."""
    return {
        "train": ["train", compiled("feature-frozen"), "--data", data, "--out", out, "--epochs", "1"],
        "learn": ["learn", compiled("all-drifts"), "--data", data, "--out", out],
        "tune": ["tune", compiled("output-frozen"), "--out", out],
        "eval": ["eval", compiled("output-frozen"), "--data", data],
        "predict": ["predict", compiled("output-frozen"), data],
        "diagnose": ["diagnose", compiled("all-drifts"), "--data", data],
        "compare": ["compare", compiled("output-frozen"), "--data", data, "--out", out, "--epochs", "1"],
        "bench": ["bench", compiled("output-frozen")],
        "bank": ["bank", out.with_suffix(".bank"), "--add", f"night={out}"],
    }[command]


@pytest.mark.long
@pytest.mark.parametrize(("name", "option"), numeric())
def test_absurd_numbers_are_one_line(name: str, option: str, command: Command, tmp_path: Path, squares: Path) -> None:
    for value in ABSURD:
        if (name, option, value) in FINE:
            continue
        ended = command(*arguments(name, squares, tmp_path / "out"), f"--{option.replace('_', '-')}={value}")
        assert ended.code == 2, (value[:20], ended)
        assert ERROR.search(ended.err), ended.err
        assert not (tmp_path / "out").exists()


def test_threads_are_a_few_for_each_core(command: Command, tmp_path: Path, squares: Path) -> None:
    """5000 of them gave no answer in half a minute."""
    for name in ("train", "learn", "tune", "eval", "predict", "diagnose", "compare"):
        ended = command(*arguments(name, squares, tmp_path / "out"), "--threads", "5000")
        assert ended.code == 2, ended
        assert "for each core" in ended.err
