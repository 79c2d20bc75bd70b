"""What a killed process left beside a file goes when the file is written again, and nothing else does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tbft_artifacts import temporary
from tbft_artifacts.atomic import atomic_file, atomic_folder
from tbft_artifacts.errors import TbftError

WRITERS = {"file": atomic_file, "folder": atomic_folder}
# Writes half of what it has to, says so, and waits.
HALF = """
import sys, time
from pathlib import Path
from tbft_artifacts.atomic import atomic_file, atomic_folder
with {"file": atomic_file, "folder": atomic_folder}[sys.argv[1]](Path(sys.argv[2])) as temporary:
    (temporary / "inner" if temporary.is_dir() else temporary).write_bytes(b"half")
    print("half", flush=True)
    time.sleep(600)
"""
LONGEST = "m" * 255


def write(kind: str, path: Path) -> None:
    with WRITERS[kind](path) as written:
        (written / "inner" if kind == "folder" else written).write_bytes(b"whole")


def start_half(kind: str, path: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HALF, kind, path], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"half\n"
    return process


@pytest.mark.parametrize("name", ["model.onnx", "run.prom", "a (1)+[x]", "m" * 250, LONGEST, "ü" * 127])
@pytest.mark.parametrize("kind", WRITERS)
def test_a_killed_writer_leaves_nothing_for_long(kind: str, name: str, tmp_path: Path) -> None:
    """SIGKILL, as a pulled plug: the next one that writes the same name takes it away, also of names of any length."""
    path = tmp_path / name
    process = start_half(kind, path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(list(tmp_path.iterdir())) == 1
    write(kind, path)
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_living_writer_is_left_alone(kind: str, tmp_path: Path) -> None:
    """Two processes may write one name; whoever ends last wins."""
    process = start_half(kind, tmp_path / "name")
    try:
        before = {path.name for path in tmp_path.iterdir()}
        write(kind, tmp_path / "name")
        assert {path.name for path in tmp_path.iterdir()} == before | {"name"}
    finally:
        process.kill()
        process.communicate()


def test_what_others_left_stays(tmp_path: Path) -> None:
    """Of another name, of another program, a link, a pipe, and what somebody only called nearly so."""
    names = [".name2.00000000.tmp", ".name.x.0123abcd.tmp", ".name.tmp", ".name.0123ABCD.tmp", "name.0123abcd.tmp"]
    for each in names:
        (tmp_path / each).write_text("kept")
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / ".name.00000001.tmp").symlink_to(victim)
    os.mkfifo(tmp_path / ".name.00000002.tmp")
    before = {path.name for path in tmp_path.iterdir()}
    write("file", tmp_path / "name")
    assert {path.name for path in tmp_path.iterdir()} == before | {"name"}
    assert {(tmp_path / each).read_text() for each in (*names, "victim")} == {"kept"}


def test_where_nothing_can_be_locked_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a share nobody can tell whether another machine writes it now."""
    (tmp_path / ".name.00000000.tmp").write_text("of whom?")
    monkeypatch.setattr(temporary, "take", lambda _descriptor: None)
    write("file", tmp_path / "name")
    assert {path.name for path in tmp_path.iterdir()} == {"name", ".name.00000000.tmp"}


def test_a_name_that_is_too_long_is_said_as_it_is(tmp_path: Path) -> None:
    """Not as that of a temporary file, which nobody asked for."""
    with pytest.raises(TbftError) as caught, atomic_file(tmp_path / ("m" * 256)):
        pytest.fail("the block must not run")
    assert "mmm' cannot be written (File name too long)" in caught.value.message
    assert ".tmp" not in caught.value.message
    assert caught.value.hint == "choose a shorter name"


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_not_replaced(kind: str, tmp_path: Path) -> None:
    """`/dev/null` has to stay one, also for root."""
    path = Path(os.devnull)
    if kind == "pipe":
        path = tmp_path / "pipe"
        os.mkfifo(path)
    with pytest.raises(TbftError, match="no plain file"), atomic_file(path):
        pytest.fail("the block must not run")
