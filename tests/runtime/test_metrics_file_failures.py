"""A metrics file that cannot be written, and what is never done to write it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.bundles import compiled
from support.commands import DEVICE, refused, run
from support.files import listing
from support.prometheus import unheard, values
from support.runs import fine_tune
from tbft_artifacts.errors import TbftError
from tbft_runtime import MetricsFile


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("run.txt", "does not end in .prom"),
        ("run.prom.gz", "does not end in .prom"),
        ("prom", "does not end in .prom"),
        ("missing/run.prom", "cannot be written"),
        ("file/run.prom", "cannot be written"),
        ("folder.prom", "is a folder"),
    ],
)
def test_a_file_that_cannot_be_is_refused_at_once(path: str, words: str, tmp_path: Path) -> None:
    """Before training, with a word on what to do, and with nothing left behind."""
    (tmp_path / "file").touch()
    (tmp_path / "folder.prom").mkdir()
    before = listing(tmp_path)
    with pytest.raises(TbftError, match=re.escape(words)) as caught:
        MetricsFile(tmp_path / path, unheard)
    assert caught.value.hint
    assert listing(tmp_path) == before


def test_a_run_that_never_starts_leaves_the_last_one_in_the_file(tmp_path: Path) -> None:
    """Bad input is no run."""
    path = tmp_path / "run.prom"
    path.write_text("tbft_edge_running 0\n")
    with MetricsFile(path, unheard):
        pass
    assert path.read_text() == "tbft_edge_running 0\n"
    assert listing(tmp_path).keys() == {"run.prom"}


def test_a_disk_that_fails_later_ends_no_run(tmp_path: Path, squares: Path) -> None:
    """One note, and the run is whole; if the disk comes back, so does the file."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    notes: list[str] = []
    with MetricsFile(folder / "run.prom", notes.append) as metrics:
        shutil.rmtree(folder)
        result = fine_tune("output-frozen", squares, tmp_path / "run", metrics, epochs=3)
        folder.mkdir()
    assert result.epochs == 3
    assert notes == [f"metrics file '{folder / 'run.prom'}' cannot be written any more: No such file or directory"]
    assert values(folder / "run.prom")["epoch"] == 3


# Writes a file, and says which sockets were made meanwhile.
WATCHED = """
import sys
from pathlib import Path
calls = []
sys.addaudithook(lambda event, _: calls.append(event) if event.startswith("socket.") else None)
from tbft_runtime import MetricsFile
from tbft_runtime.progress import Outline
with MetricsFile(Path(sys.argv[1]), print) as metrics:
    metrics.started(Outline(run="r", plan="p", drift="input", epochs=1))
print(calls)
"""


def test_no_socket_is_made(tmp_path: Path) -> None:
    """The package can also serve and push; a file is all that is asked of it."""
    path = tmp_path / "run.prom"
    ended = subprocess.run([sys.executable, "-c", WATCHED, path], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
    assert values(path)["running"] == 0


def test_the_command_keeps_the_file(tmp_path: Path, squares: Path) -> None:
    """--metrics-file is refused before anything is made, and kept otherwise."""
    train = ("train", compiled("output-frozen"), "--data", squares, "--out", tmp_path / "run", "--epochs", "1")
    refusal = refused(run(DEVICE, *train, "--metrics-file", tmp_path / "run.txt"))
    assert "run.prom" in refusal.hint
    assert listing(tmp_path) == {}
    ended = run(DEVICE, *train, "--metrics-file", tmp_path / "run.prom")
    assert ended.code == 0, ended
    assert values(tmp_path / "run.prom")["epoch"] == 1
