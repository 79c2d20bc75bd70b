"""What `export` writes where: data on stdout, whatever a user's own network prints; and class names as they are."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support.commands import HOST, refused, run
from support.in_process import run_in_process
from tbft_edge.main import main

OPTIONS = ("--image-size", "8", "--drift", "output")
TALKATIVE = ("export", "--model", "support.peoples_modules:talkative", *OPTIONS)
NAMES = ("cat", "dog", "hen", "Straße")


def test_a_network_that_prints_leaves_the_json_alone(tmp_path: Path) -> None:
    """While it is made and while the command ends, from Python, from C, and from processes that it starts."""
    ended = run(HOST, *TALKATIVE, "--out", tmp_path / "bundle", "--json", variables={})  # A real end of a process.
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["blocks"] == ["fc"]
    for words in ("loaded pretrained weights", "from C", "buffered in C", "from a child"):
        assert words in ended.err
        assert words not in ended.out


def test_an_error_of_the_exporter_is_one_line(tmp_path: Path) -> None:
    """PyTorch prints the graph that it could not write."""
    model = ("export", "--model", "support.peoples_modules:unwritable", *OPTIONS)
    ended = run(HOST, *model, "--out", tmp_path / "bundle", "--json")
    assert "cannot be traced" in refused(ended).message
    assert ended.out == ""
    assert "graph(" not in ended.err


def test_notes_are_said_on_stderr(tmp_path: Path) -> None:
    """Also where a program reads stdout."""
    model = ("export", "--model", "support.peoples_modules:momenta", *OPTIONS)
    ended = run(HOST, *model, "--out", tmp_path / "bundle", "--json")
    assert "note: batch norms with momentum=None" in ended.err
    assert json.loads(ended.out)["plan"] == "output-frozen-sgd"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + "\n".join(NAMES),
        "\r\n".join(NAMES) + "\r\n\r\n",
        "\r".join(NAMES),
        "\n\n".join(f"  {name}\t" for name in NAMES) + "\n \n",
    ],
    ids=["mark", "windows", "old mac", "blanks"],
)
def test_files_of_class_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Marks of editors, ends of lines, and blanks are no part of a name."""
    path = tmp_path / "classes.txt"
    path.write_bytes(text.encode())
    assert classes_of(tmp_path, monkeypatch, path) == list(NAMES)


def classes_of(folder: Path, monkeypatch: pytest.MonkeyPatch, classes: Path) -> object:
    model = ["export", "--model", "support.tiny_models:tiny", *OPTIONS]
    monkeypatch.setattr(sys, "argv", ["tbft-edge", *model, "--classes", str(classes), "--out", str(folder / "bundle")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    return json.loads((folder / "bundle" / "manifest.json").read_text())["classes"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("\n".join(NAMES).encode("utf-16"), "is no UTF-8 text"),
        ("\n".join(NAMES[:3]).encode("utf-16-le"), "is no UTF-8 text"),
        ("\n".join(NAMES).encode("latin-1"), "is no UTF-8 text"),
        (b"\n\n", "is empty"),
        (b"cat\ndog\ncat\nhen\n", "4 class names were given (3 different)"),
    ],
    ids=["utf-16", "utf-16-le", "latin-1", "empty", "twice"],
)
def test_files_that_hold_no_such_names(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes(content)
    model = ("export", "--model", "support.tiny_models:tiny", *OPTIONS)
    refusal = refused(run_in_process(capfd, *model, "--classes", path, "--out", tmp_path / "bundle"))
    assert said in refusal.message
    assert not (tmp_path / "bundle").exists()
