"""Pipes, folders, devices and terabytes in the place of a run's own files: no command waits for one, or breaks.

A pipe is what nobody writes to; whoever opens it for reading waits for ever. Each command does without the file, or
says in one line what it is.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from support.bundles import compiled
from support.commands import ERROR, Ended
from support.runs import Recorder, fine_tune, tensors_of

Command = Callable[..., Ended]
STATE, PREVIOUS = "state.safetensors", "state.previous.safetensors"
FILES = (
    *(STATE, PREVIOUS, "history.jsonl", "run.json", "report.json", "tuning.json", ".tbft-edge.lock"),
    *("cache/train.pixels", "cache/train.json", "cache/*.rows", "cache/activations-*.json"),
)
OPTIONS = ("--epochs", "3", "--batch-size", "7", "--meter", "none", "--threads", "1")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    (path / "theirs").mkdir(parents=True)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_socket(path: Path) -> None:
    # Their paths may only be short.
    with socket.socket(socket.AF_UNIX) as made, pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)
        made.bind(path.name)


def terabyte(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10**12)


KINDS = {"pipe": pipe, "folder": folder, "device": device, "socket": a_socket, "terabyte": terabyte}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    """The run that nothing happened to."""
    run = tmp_path_factory.mktemp("whole") / "run"
    fine_tune("feature-frozen", squares, run, epochs=3, batch_size=7)
    return run


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    """The same, interrupted in its third epoch."""
    run = tmp_path_factory.mktemp("cut") / "run"
    interrupted = Recorder(interrupt_epoch=3, interrupt_after=9)
    with pytest.raises(KeyboardInterrupt):
        fine_tune("feature-frozen", squares, run, interrupted, epochs=3, batch_size=7)
    return run


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    def waited(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def with_odd(cut: Path, folder: Path, file: str, kind: str) -> Path:
    """A copy of the run in which that lies in the file's place."""
    run = Path(shutil.copytree(cut, folder / "run"))
    path = next(run.glob(file), run / file)
    path.unlink(missing_ok=True)
    KINDS[kind](path)
    return run


def is_one_line(ended: Ended) -> bool:
    """Whether it refused; else it did what it was asked for."""
    assert ended.code in (0, 2), ended
    assert "Traceback" not in ended.err
    assert ended.code == 0 or ERROR.search(ended.err), ended.err
    return ended.code == 2


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", FILES)
def test_no_command_waits_for_an_odd_file(
    file: str, kind: str, cut: Path, whole: Path, squares: Path, tmp_path: Path, command: Command
) -> None:
    """Those that end well used the right weights: the state before only where that is trained on."""
    run = with_odd(cut, tmp_path, file, kind)
    for arguments in (
        ("predict", run, squares),
        ("finalize", run, "--out", tmp_path / "model.onnx", "--allow-worse"),
        ("report", run),
    ):
        refused = is_one_line(command(*arguments))
        assert refused or file != STATE or arguments[0] == "report"
    again = ("train", compiled("feature-frozen"), "--data", squares, "--out", run, *OPTIONS)
    assert is_one_line(command(*again)) or file == "run.json"
    ended = command(*again, "--resume")
    if is_one_line(ended):
        # Only folders, and what may be in them, have to be removed by somebody.
        assert kind == "folder" or file not in (STATE, PREVIOUS)
        assert str(run) in ended.err
    else:
        assert {name: value.tobytes() for name, value in tensors_of(run).items()} == {
            name: value.tobytes() for name, value in tensors_of(whole).items()
        }
