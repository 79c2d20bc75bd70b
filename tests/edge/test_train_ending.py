"""After `train` a terminal of few lines still shows what came out of it, and how to go on."""

from __future__ import annotations

import fcntl
import math
import os
import re
import struct
import subprocess
import termios
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.bundles import EXITS, SPARSE, compiled
from support.commands import DEVICE, command, surroundings
from support.html_text import read_page
from support.odd_reports import LONG, odd_reports
from tbft_edge.commands import train
from tbft_runtime import read_report

LINES, COLUMNS = 30, 80
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def screen(text: str, lines: int = LINES) -> list[str]:
    """The last lines of a terminal, of which the shell takes one when a command has ended."""
    folded = []
    for line in CONTROL.sub("", text).splitlines():
        parts = max(1, math.ceil(len(line.rstrip()) / COLUMNS))
        folded += [line[COLUMNS * part : COLUMNS * (part + 1)] for part in range(parts)]
    return folded[-(lines - 1) :]


def on_a_terminal(*arguments: str | Path) -> str:
    """All that `tbft-edge` writes on a terminal, standard output and errors together."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = surroundings({"TERM": "xterm"})
    with subprocess.Popen(command(DEVICE, *arguments), stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        written = bytearray()
        try:
            while part := os.read(ours, 1 << 16):
                written += part
        except OSError:
            pass  # Linux says so that nobody writes any more.
        assert process.wait() == 0, written.decode()
    os.close(ours)
    return written.decode()


def assert_ends_well(shown: Sequence[str]) -> None:
    """Title, both figures before and after, and the closing words, in this order."""
    text = "\n".join(shown)
    title, *figures = (": trained ", "before", "validation accuracy", "validation loss")
    assert title in text, text
    rest = text[text.index(title) :]
    # A path may be folded anywhere.
    unfolded = rest.replace("\n", "")
    order = [unfolded.find(words) for words in (*figures, "the same as a page: ", "next: tbft-edge ")]
    assert order == sorted(order), text
    assert order[0] > 0, text


@pytest.mark.long
@pytest.mark.parametrize(
    ("bundle", "options"),
    [
        ("feature-frozen", ("--profile",)),
        (EXITS, ("--plan", "exits-labels-frozen-sgd", "--exit-accuracy", "0.99")),
        (SPARSE, ("--update-budget", "6kB", "--compute-budget", "100%", "--profile")),
    ],
)
def test_what_came_out_is_on_the_last_lines(bundle: str, options: Sequence[str], squares: Path, tmp_path: Path) -> None:
    """Also behind a profile, exits and a table of layers; and where the best state is refused."""
    run = tmp_path / "run"
    training = ("--data", squares, "--out", run, "--epochs", "2", "--threads", "1", "--meter", "none", *options)
    written = on_a_terminal("train", compiled(bundle), *training)
    assert_ends_well(screen(written))
    assert len(screen(written, 1000)) > LINES
    # What is not there any more is on the page and in `report`.
    report = on_a_terminal("report", run)
    assert "validation accuracy" in "\n".join(screen(report))
    said = read_page((run / "report.html").read_text()).all("dt")
    names = ("learning rate", "computed with", "throughput", "metering took", "clock", "onnxruntime")
    assert [name for name in names if name not in said or name not in report] == []
    assert [name for name in names if name in written] == []
    assert read_report(run).result.epochs == 2


@pytest.mark.parametrize("name", odd_reports())
def test_no_report_is_so_odd_that_its_end_is_too_long(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every caution at once, and names that take four lines; a file may come from anywhere."""
    monkeypatch.setattr("tbft_edge.console.PIPED_WIDTH", COLUMNS)
    out = Path(LONG if name == "long-names" else "runs/a")
    train._print(odd_reports()[name], out, out / "report.html")
    captured = capsys.readouterr()
    shown = captured.out + captured.err
    assert "validation accuracy" in "\n".join(screen(shown))
