"""Streams that are full, closed or read no more: trainings go on, and what was asked for is not lost without a word."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.commands import DEVICE, Step, command, surroundings


def shell(script: str, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run `tbft-edge` with the redirections of a shell script, which has it as its arguments."""
    words = ["bash", "-c", script, "bash", *command(DEVICE, *arguments)]
    return subprocess.run(words, env=surroundings(variables), capture_output=True, timeout=120, check=False)


def train(bundle: Path, data: Path, out: Path) -> tuple[str | Path, ...]:
    return ("train", bundle, "--data", data, "--out", out, "--epochs", "2", "--threads", "1", "--meter", "none")


@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-", "2> >(true)", "<&- 2>&-", "2>&- <&- >/dev/null"])
def test_words_that_cannot_be_written_end_no_training(
    redirected: str, bundle: Path, data: Path, tmp_path: Path
) -> None:
    """A log on a full disk, a terminal that is gone, a service without streams."""
    ended = shell(f'"$@" {redirected}', *train(bundle, data, tmp_path / "run"))
    assert ended.returncode == 0
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize(("redirected", "words"), [(">&-", b"Bad file descriptor"), (">/dev/full", b"No space left")])
@pytest.mark.parametrize("form", ["--json", "--format=html", "--format=csv", "--format=markdown", "--format=table"])
def test_what_was_asked_for_and_cannot_be_written_is_an_error(
    redirected: str, words: bytes, form: str, trained: Step
) -> None:
    """One line and a hint."""
    ended = shell(f'"$@" {redirected}', "report", trained.path, form)
    assert ended.returncode == 2
    assert ended.stderr.startswith(b"error: ")
    assert words in ended.stderr
    assert ended.stderr.count(b"\n") == 3


@pytest.mark.parametrize("form", ["--json", "--format=html", "--format=table"])
def test_a_reader_that_has_enough_ends_it_quietly(form: str, trained: Step) -> None:
    """As `head` does with every program."""
    ended = shell('"$@" | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}', "report", trained.path, form)
    assert ended.stderr == b""
    assert ended.returncode in (0, 141)  # It may have written everything before.


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_closed_stream(closed: str, bundle: Path, data: Path, tmp_path: Path) -> None:
    """What is said would be written into it."""
    shell(f'"$@" {closed}', *train(bundle, data, tmp_path / "closed"))
    shell('"$@"', *train(bundle, data, tmp_path / "open"))
    words = [b"epoch 1", b"next: tbft", b"validation accuracy"]
    for path in (tmp_path / "closed").rglob("*"):
        if path.is_file() and path.name != "report.html":
            content = path.read_bytes()
            assert [each for each in words if each in content] == [], path
    states = [(tmp_path / each / "state.safetensors").stat().st_size // 1024 for each in ("closed", "open")]
    assert states[0] == states[1]


@pytest.fixture(scope="module")
def latin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A locale that is no UTF-8, made here."""
    place = tmp_path_factory.mktemp("locales")
    made = subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", place / "de_DE"], capture_output=True, check=False
    )
    if not (place / "de_DE").exists():
        pytest.skip(f"no locale can be made here: {made.stderr.decode(errors='replace')[:80]}")
    return {"LOCPATH": str(place), "LC_ALL": "de_DE"}


LOCALES: dict[str, dict[str, str]] = {
    "latin": {},
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "asked": {"PYTHONIOENCODING": "ascii"},
}


@pytest.mark.long
@pytest.mark.parametrize("name", LOCALES)
def test_every_locale_does(name: str, bundle: Path, data: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Nothing ends in what it cannot spell, and what programs read is UTF-8 everywhere."""
    variables = request.getfixturevalue("latin") if name == "latin" else LOCALES[name]
    out = tmp_path / os.fsdecode("Übung–→".encode())
    commands = [
        train(bundle, data, out),
        *(("report", out, f"--format={form}") for form in ("table", "markdown", "html", "csv", "json")),
        ("predict", out, data),
        ("predict", out, data, "--json"),
        ("doctor",),
        ("inspect", bundle),
        ("train", "--help"),
    ]
    for each in commands:
        ended = shell('"$@"', *each, **variables)
        assert ended.returncode in ((0, 1) if each == ("doctor",) else (0,)), (each, ended.stderr[-300:])
        if {"--json", "--format=html", "--format=csv", "--format=markdown", "--format=json"} & set(map(str, each)):
            ended.stdout.decode("utf-8")
    assert "→" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", ["0", "-1", "1", "wide", "9" * 20, ""])
def test_every_width_does(columns: str, trained: Step, tmp_path: Path) -> None:
    """Serial consoles have 0 columns."""
    ended = shell('"$@"', "report", trained.path, COLUMNS=columns)
    assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False)
    shown = shell('script -qec "$(printf "%q " "$@")" /dev/null', "report", trained.path, COLUMNS=columns)
    assert b"Traceback" not in shown.stdout + shown.stderr
