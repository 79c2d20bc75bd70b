"""What reaches a terminal passes one door, and is cleaned there."""

from __future__ import annotations

import ast
import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import typer

import tbft_edge
import tbft_runtime
from support.hostile import EVIL, LONG, NOT_UTF_8, absurd, unseen
from tbft_edge import console, main
from tbft_edge.progress import ConsoleProgress
from tbft_edge.tables.table import Table, csv_text, markdown, show

# Files that may write by themselves: the door; what says where it leads; bars, which move the cursor; and what one
# process tells another in JSON.
DOORS = {
    "tbft_edge/console.py",
    "tbft_edge/streams.py",
    "tbft_edge/tables/table.py",
    "tbft_edge/progress.py",
    "tbft_edge/reproduce/pytorch/worker.py",
    "tbft_runtime/measure.py",
    "tbft_runtime/doctor/probe.py",
    "tbft_runtime/reporting/schema.py",
}


def writers(path: Path) -> Iterator[str]:
    """What a file uses to write to people: print, echo, streams, consoles, warnings and logs."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Name(id="print" | "Console" as name)):
                yield name
            case ast.ClassDef(bases=[ast.Name(id="Console" as name)]):
                yield name
            case ast.Attribute(value=ast.Name(id="sys"), attr="stdout" | "stderr" as name):
                yield name
            case ast.Attribute(attr="echo" | "secho" | "getLogger" | "warn" as name):
                yield name


def test_nothing_else_writes() -> None:
    """Whoever adds words to the command says them through the console."""
    found = set()
    for package in (tbft_edge, tbft_runtime):
        folder = Path(str(package.__file__)).parent
        found |= {f"{folder.name}/{path.relative_to(folder)}" for path in folder.rglob("*.py") if any(writers(path))}
    assert found == DOORS


def test_the_test_above_can_fail(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text("import sys, typer\nprint(1)\nsys.stderr.write('2')\ntyper.echo('3')\n")
    assert sorted(writers(file)) == ["echo", "print", "stderr"]


def test_lines_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """Tabs stand between parts only, and a break never ends a line early."""
    console.print_line(EVIL, "a\tb", NOT_UTF_8 + LONG)
    console.say(EVIL + LONG)
    out, err = capsys.readouterr()
    assert unseen(out + err) == absurd(out + err) == []
    assert (out.count("\n"), out.count("\t"), err.count("\n")) == (1, 2, 1)


def test_tables_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """In the title, in columns and cells; on the terminal, as Markdown and for spreadsheets."""
    table = Table(EVIL + LONG, ["", EVIL], [[EVIL, LONG], ["[red]a[/red]", ":smile:"]])
    show(table)
    out = capsys.readouterr().out
    assert unseen(out) == absurd(out) == []
    assert "[red]a[/red]" in out
    assert ":smile:" in out
    text = csv_text(["a", "b"], [[EVIL, (EVIL, LONG)]]).replace("\r\n", "\n")
    assert unseen(markdown(table) + text) == []
    assert text.count("\n") == 2


def test_json_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads every name as it is, also one that is no UTF-8; a terminal shows escapes."""
    names = {EVIL: LONG, "ordinary": "Bücher 图"}
    console.print_json(names)
    out = capsys.readouterr().out
    assert json.loads(out) == names
    assert unseen(out) == []
    console.print_json({"file": NOT_UTF_8})
    out = capsys.readouterr().out
    assert json.loads(out) == {"file": NOT_UTF_8}
    assert unseen(out) == []


def test_ordinary_json_is_msgspecs(capsys: pytest.CaptureFixture[str]) -> None:
    """Byte by byte."""
    names = {"label": "Bücher 图 👩\N{ZERO WIDTH JOINER}🌾", "share": 0.1, "many": [1, None, True]}
    console.print_json(names)
    assert capsys.readouterr().out == msgspec.json.format(msgspec.json.encode(names), indent=2).decode() + "\n"


def test_what_is_copied_to_a_shell_is_one_word() -> None:
    """A stranger names plans, and the next command holds the plan's name."""
    name = f"plan; echo '{EVIL}' $(id) `id`"
    assert shlex.split(f"--plan {console.quoted(name)}") == ["--plan", name]
    assert console.quoted("feature-block-sgd") == "feature-block-sgd"


def test_a_name_that_is_no_utf_8_can_be_copied_to_a_shell() -> None:
    """bash finds the very bytes."""
    name = "a\udce4 'b'\\c`id`$(id)\n"
    ended = subprocess.run(["bash", "-c", f"printf %s {console.quoted(name)}"], capture_output=True, check=True)
    assert ended.stdout == os.fsencode(name)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_clean(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal rich's own codes move the cursor, and no name does."""
    stream = io.StringIO()
    stream.isatty = lambda: is_terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with ConsoleProgress() as progress:
        progress.begin(f"reading {EVIL}", 10)
        progress.advance(5)
        progress.note(EVIL + LONG)
    shown = stream.getvalue()
    assert "evil" in shown
    for harm in ("\x1b[2J", "\x1b]0;", "\x07", "\x9b", "\u202e", "\u2066", "\nerror"):
        assert harm not in shown


def run_alone(command: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `command` as the only one of `tbft-edge`."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    monkeypatch.setattr(main, "app", app)
    monkeypatch.setattr(sys, "argv", ["tbft-edge"])
    main.main()


def test_a_crash_is_clean(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Python's traceback holds the words of whatever broke."""

    def broken() -> None:
        raise ValueError(EVIL + LONG)

    with pytest.raises(SystemExit) as ended:
        run_alone(broken, monkeypatch)
    err = capsys.readouterr().err
    assert ended.value.code == 1
    assert "Traceback" in err
    assert "ValueError: " in err
    assert unseen(err) == absurd(err) == []


def test_a_name_that_no_file_can_keep_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Results are UTF-8; not every folder's name is."""

    def broken() -> None:
        NOT_UTF_8.encode()

    with pytest.raises(SystemExit) as ended:
        run_alone(broken, monkeypatch)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith("hint: rename it\n")
