"""Whatever a stranger calls things, no command prints more than words.

Bundles, runs, data and files come from anyone. Model, classes, blocks, layers, exits and plans have names like markup,
formulas and commands, as long as a bundle may have them (`ODD`); files and folders have, as far as a disk takes them,
escape sequences, marks that turn text around, line breaks and ten thousand letters.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from support import hostile
from support.bundles import compiled
from support.commands import Ended
from support.hostile import EVIL, LONG, LONGEST, NOT_UTF_8, ODD, ON_THE_HOST, absurd, unseen
from support.html_text import read_page
from support.runs import fine_tune
from support.toys import coloured_squares, png, save_folders, save_squares
from tbft_edge.main import app, main
from tbft_runtime import finalize


@dataclass(frozen=True)
class Desk:
    """A folder with a hostile name, and what strangers left in it."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / f"{name}{EVIL}"

    def bundle(self, kind: str) -> Path:
        return self.path(f"bundle-{kind}")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Bundles of each kind; images as a file, as pictures in folders of their classes, and odd ones; runs of all."""
    desk = Desk(tmp_path_factory.mktemp("desk") / hostile.FILE)
    desk.folder.mkdir()
    for kind in ("drifts", "channels", "exits"):
        shutil.copytree(compiled(f"hostile-{kind}"), desk.bundle(kind))
    save_squares(desk.path("data").with_suffix(".npz"), 80).rename(desk.path("data").with_name("data.npz"))
    images, labels = coloured_squares(8)
    save_folders(desk.path("pictures"), images, labels % 2, classes=(hostile.FILE, NOT_UTF_8))
    for name in (hostile.FILE[:200], NOT_UTF_8):
        (desk.path("pictures") / hostile.FILE / f"{name}.png").write_bytes(b"no picture")
    (desk.path("pictures") / NOT_UTF_8 / f"{NOT_UTF_8}.png").write_bytes(png(images[0]))
    np.savez(desk.folder / "classes.npz", images=images, labels=labels, classes=np.array([EVIL + LONG, LONG]))
    data = desk.folder / "data.npz"
    run = desk.path("run")
    fine_tune(desk.bundle("drifts"), data, run, drift="auto", epochs=1, profile=True)
    fine_tune(desk.bundle("drifts"), data, desk.path("full"), drift="full", epochs=1)
    fine_tune(desk.bundle("channels"), data, desk.path("chosen"), epochs=1)
    fine_tune(desk.bundle("exits"), data, desk.path("early"), plan="exits-labels-frozen-sgd", epochs=1)
    finalize(run, desk.folder / "model.onnx", allow_worse=True)
    return desk


def train(desk: Desk, bundle: str, *options: str) -> list[str | Path]:
    out = desk.path(f"new-{bundle}-{len(options)}")
    return ["train", desk.bundle(bundle), "--data", desk.folder / "data.npz", "--out", out, "--epochs", "1", *options]


# Its name ends at the first equals sign.
DOMAIN = hostile.ODD.replace("=", "~")
# Every command, with the arguments of each way to see what a stranger named.
COMMANDS: Mapping[str, Callable[[Desk], list[list[str | Path]]]] = {
    "inspect": lambda desk: [["inspect", desk.bundle(kind)] for kind in ("drifts", "channels", "exits")],
    "doctor": lambda desk: [["doctor", desk.bundle("drifts"), "--out", desk.folder]],
    "diagnose": lambda desk: [["diagnose", desk.bundle("drifts"), "--data", desk.folder / "data.npz"]],
    "tune": lambda desk: [
        ["tune", desk.bundle("drifts"), "--out", desk.path("tuned"), "--drift", "output", "--threads", "1"]
    ],
    "train": lambda desk: [
        train(desk, "drifts", "--drift", "auto", "--profile"),
        train(desk, "channels", "--profile"),
        train(desk, "exits", "--plan", "exits-distill-frozen-sgd"),
    ],
    "learn": lambda desk: [
        ["learn", desk.bundle("drifts"), "--data", desk.folder / "data.npz", "--out", desk.path("learned")]
    ],
    "bank": lambda desk: [
        [
            "bank",
            desk.folder / "light.bank",
            "--add",
            f"{DOMAIN}{number}={desk.path(name)}",
        ]
        for number, name in enumerate(("run", "full"))
    ],
    "eval": lambda desk: [
        ["eval", model, "--data", desk.folder / "data.npz"]
        for model in (desk.bundle("drifts"), desk.path("run"), desk.path("early"), desk.folder / "model.onnx")
    ],
    "predict": lambda desk: [
        ["predict", model, desk.path("pictures"), desk.folder / "data.npz"]
        for model in (desk.bundle("drifts"), desk.path("early"), desk.folder / "model.onnx")
    ],
    "corrupt": lambda desk: [
        ["corrupt", desk.path("pictures"), "--name", "fog", "--out", desk.path("foggy")],
        ["corrupt", desk.path("pictures"), "--list"],
    ],
    "finalize": lambda desk: [
        ["finalize", desk.path(name), "--out", desk.path(f"{name}-final").with_suffix(".onnx"), "--allow-worse"]
        for name in ("run", "early")
    ],
    "report": lambda desk: [
        *(["report", desk.path(name)] for name in ("run", "chosen", "early")),
        ["report", desk.path("full"), desk.path("run"), desk.path("chosen"), "--allow-different"],
    ],
    "compare": lambda desk: [
        [
            *("compare", desk.bundle("channels"), desk.bundle("exits"), "--data", desk.folder / "data.npz"),
            *("--test", desk.folder / "data.npz", "--epochs", "1", "--threads", "1", "--out", desk.path("compared")),
        ]
    ],
    "bench": lambda desk: [
        ["bench", desk.bundle("drifts"), "--compare", "output,full", "--steps", "1"],
        ["bench", desk.bundle("channels"), "--plan", json.loads(manifest(desk, "channels"))["plans"][1]["id"]],
    ],
}
FORMATS = ("table", "markdown", "csv", "json", "html")


def manifest(desk: Desk, kind: str) -> bytes:
    return (desk.bundle(kind) / "manifest.json").read_bytes()


@dataclass(frozen=True)
class Terminal:
    """Runs commands and keeps what they write."""

    capture: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def run(self, *arguments: str | Path) -> Ended:
        self.monkeypatch.setattr(sys, "argv", ["tbft-edge", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self.capture.readouterr()
        return Ended(int(ended.value.code or 0), out, err)


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(capsys, monkeypatch)


def assert_harmless(ended: Ended, code: int = 0) -> None:
    """Nothing but words in both streams, and no line that is longer than anyone reads."""
    assert ended.code == code, ended.err
    assert unseen(ended.out + ended.err) == []
    assert absurd(ended.out) + absurd(ended.err) == []


def test_every_command_is_in_this_table() -> None:
    """A new command has to be tried with hostile names, too."""
    assert COMMANDS.keys() | ON_THE_HOST == {command.name for command in app.registered_commands}


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_people_read_words(command: str, desk: Desk, terminal: Terminal) -> None:
    """What a command says holds the names, cleaned and shortened."""
    for arguments in COMMANDS[command](desk):
        ended = terminal.run(*arguments)
        assert_harmless(ended)
        assert not any(line.startswith("error: ") for line in ended.err.splitlines())
        assert ended.out + ended.err


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_programs_read_names_as_they_are(command: str, desk: Desk, terminal: Terminal) -> None:
    """JSON keeps every name whole, and yet does nothing to a terminal that shows it."""
    whole = ""
    for arguments in COMMANDS[command](desk):
        if "--list" in arguments:
            continue
        ended = terminal.run(*fresh(arguments), "--json")
        assert ended.code == 0, ended.err
        assert unseen(ended.out + ended.err) == []
        whole += repr(json.loads(ended.out))
    if command not in ("doctor", "tune"):  # They tell of the board, and of plans.
        # Names of bundles are those that load, names of files whatever a disk takes.
        assert repr(EVIL)[1:-1] in whole or repr(ODD)[1:-1] in whole


def fresh(arguments: list[str | Path]) -> list[str | Path]:
    """The same with another --out, for what may not be there yet."""
    if arguments[0] not in ("train", "learn", "corrupt"):
        return arguments
    at = arguments.index("--out") + 1
    return [*arguments[:at], Path(f"{arguments[at]}-json"), *arguments[at + 1 :]]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("number", range(4))
def test_reports_are_harmless_in_every_format(kind: str, number: int, desk: Desk, terminal: Terminal) -> None:
    """A run, with channels that the device chose, with exits; and several beside each other."""
    ended = terminal.run(*COMMANDS["report"](desk)[number], "--format", kind)
    assert ended.code == 0, ended.err
    assert unseen(ended.out.replace("\r\n", "\n") + ended.err) == []
    if kind == "html":
        assert_harmless_page(ended.out)
    elif kind == "csv":
        cells = [cell for row in csv.reader(io.StringIO(ended.out, newline="")) for cell in row]
        assert max(len(part) for cell in cells for part in cell.split("; ")) <= LONGEST
    elif kind != "json":
        # Markdown has a backslash before what would be more than a character.
        lines = ended.out.replace("\\", "").splitlines()
        assert max(len(cell) for line in lines for cell in line.split(" | ")) <= LONGEST + len("****")


def assert_harmless_page(page: str) -> None:
    assert unseen(page) == []
    texts = read_page(page).texts
    for name in ("h1", "h2", "h3", "p", "li", "td", "dt", "dd", "small", "title", "text"):
        assert [text[:80] for text in texts.get(name, []) if len(text) > 2 * LONGEST] == []


def test_pages_that_commands_write_are_harmless(desk: Desk, terminal: Terminal) -> None:
    """A run has its page, and a comparison has one."""
    arguments = COMMANDS["compare"](desk)[0]
    assert_harmless(terminal.run(*arguments))
    for page in (desk.path("compared") / "comparison.html", train_page(desk, terminal)):
        assert_harmless_page(page.read_text())


def train_page(desk: Desk, terminal: Terminal) -> Path:
    arguments = train(desk, "drifts", "--drift", "output")
    assert_harmless(terminal.run(*arguments))
    return Path(arguments[arguments.index("--out") + 1]) / "report.html"


def refusals(desk: Desk) -> Iterator[list[str | Path]]:
    """What is refused, with a name in the error, its hint, or both."""
    bundle, data, out = desk.bundle("drifts"), desk.folder / "data.npz", desk.path("refused")
    yield ["inspect", desk.path("nowhere")]
    yield ["inspect", desk.folder / NOT_UTF_8]
    yield ["inspect", EVIL + LONG]
    yield ["bench", bundle]
    yield ["train", bundle, "--data", data, "--out", out, "--plan", EVIL + LONG]
    yield ["train", bundle, "--data", desk.path("pictures"), "--out", out, "--drift", "output"]
    yield ["train", bundle, "--data", desk.folder / "classes.npz", "--out", out, "--drift", "output"]
    yield ["train", desk.bundle("channels"), "--data", data, "--out", out, "--drift", "output"]
    yield ["train", bundle, "--data", data, "--out", out, "--meter", EVIL + LONG]
    yield ["train", bundle, "--data", data, "--out", out, "--memory-budget", EVIL + LONG]
    yield ["predict", bundle, desk.path("pictures") / hostile.FILE / f"{hostile.FILE[:200]}.png"]
    yield ["corrupt", data, "--name", EVIL + LONG, "--out", out]
    yield ["report", desk.path("run"), desk.path("run")]
    yield ["report", desk.path("pictures")]
    yield ["compare", bundle, bundle, "--data", data, "--out", out]
    yield [EVIL + LONG]
    yield ["predict", f"--{EVIL}{LONG}"]


def test_errors_are_a_readable_line(desk: Desk, terminal: Terminal) -> None:
    for arguments in refusals(desk):
        ended = terminal.run(*arguments)
        assert_harmless(ended, code=2)
        lines = ended.err.splitlines()
        assert [line for line in lines if line.startswith("error: ")] == lines[-3:-2]
        assert lines[-1].startswith("hint: ")
