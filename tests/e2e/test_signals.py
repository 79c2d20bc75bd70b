"""Whatever ends a command from outside ends it in one way: words, a clean place, and the exit code of the signal."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import DEVICE, EXPORT, HOST, MODELS, command, heed_interrupts, start, surroundings
from support.toys import save_squares

ENDINGS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_squares(tmp_path_factory.mktemp("many") / "data.npz", 160)


def training(bundle: Path, many: Path, folder: Path) -> list[str]:
    options = ("--epochs", "100000", "--patience", "100000", "--threads", "1", "--batch-size", "2", "--meter", "none")
    files = ("--data", many, "--out", folder / "run", "--metrics-file", folder / "run.prom")
    return list(map(str, ("train", bundle, *files, *options)))


def is_running(folder: Path) -> bool:
    """What the metrics file says."""
    found = re.search(r"^tbft_edge_running{.*} (.*)$", (folder / "run.prom").read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    return found[1] != "0.0"


def wait_for(happened: Callable[[], bool]) -> None:
    while not happened():
        time.sleep(0.05)


@pytest.mark.parametrize("number", ENDINGS)
def test_every_ending_is_that_of_ctrl_c(number: signal.Signals, bundle: Path, many: Path, tmp_path: Path) -> None:
    """A service that is stopped, a shutdown, a lost terminal: how to go on is said, and the metrics say it is over."""
    process = start(DEVICE, *training(bundle, many, tmp_path))
    wait_for((tmp_path / "run" / "state.safetensors").exists)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ENDINGS[number]
    assert "Continue with the same command and --resume" in err
    assert "Traceback" not in err
    assert not is_running(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_process_1_hears_them_too(number: signal.Signals, bundle: Path, many: Path, tmp_path: Path) -> None:
    """As in a container, where the system's defaults do not hold."""
    alone = ["unshare", "--pid", "--fork", "--mount-proc"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no process may be given a pid namespace here")
    words = [*alone, *command(DEVICE, *training(bundle, many, tmp_path))]
    outer = subprocess.Popen(
        words, env=surroundings(None), stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    )
    wait_for((tmp_path / "run" / "state.safetensors").exists)
    inner = int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()[0])
    os.kill(inner, number)
    _, err = outer.communicate(timeout=60)
    assert "Continue with the same command and --resume" in err
    assert not is_running(tmp_path)


def test_nohup_keeps_a_lost_terminal_out(bundle: Path, many: Path, tmp_path: Path) -> None:
    """What its caller ignores a command ignores."""
    process = subprocess.Popen(
        command(DEVICE, *training(bundle, many, tmp_path)),
        env=surroundings(None),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN) and None,
    )
    state = tmp_path / "run" / "state.safetensors"
    wait_for(state.exists)
    process.send_signal(signal.SIGHUP)
    written = state.stat().st_mtime_ns
    wait_for(lambda: process.poll() is not None or state.stat().st_mtime_ns > written)
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143


# Says when it cleans up, which takes for ever.
SLOW_TO_END = """
import sys, time, typer
from tbft_edge import main
app = typer.Typer()
@app.command()
def slow():
    try:
        print("begun", flush=True)
        time.sleep(600)
    finally:
        print("cleaning", flush=True)
        time.sleep(600)
main.app = app
sys.argv = ["tbft-edge"]
main.main()
"""


@pytest.mark.parametrize("number", ENDINGS)
def test_the_second_ends_at_once(number: signal.Signals) -> None:
    """Whatever is being cleaned up, and without a traceback."""
    process = subprocess.Popen(
        [DEVICE / "python", "-c", SLOW_TO_END], stdout=-1, stderr=-1, text=True, preexec_fn=heed_interrupts
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    assert process.stdout.readline() == "cleaning\n"
    # Sooner it would be taken for the same event.
    time.sleep(0.5)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (ENDINGS[number], "")


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_children_end_with_it(number: signal.Signals, bundle: Path, many: Path, tmp_path: Path) -> None:
    """`compare` trains in processes of its own: none goes on by itself, and each cleans up."""
    words = ("compare", bundle, "--data", many, "--out", tmp_path / "out", "--epochs", "100000", "--meter", "none")
    process = start(DEVICE, *words)
    wait_for(lambda: bool(list((tmp_path / "out").rglob("run.json"))))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ENDINGS[number]
    assert "The same command goes on" in err
    assert "Traceback" not in err
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []


@pytest.mark.long
@pytest.mark.parametrize("number", ENDINGS)
@pytest.mark.parametrize("seconds", [1.0, 4.0])
def test_export_ends_like_it(number: signal.Signals, seconds: float, tmp_path: Path) -> None:
    """The host's half, in the middle of its imports or of compiling; nothing is left where it writes."""
    process = start(HOST, *EXPORT, "--out", tmp_path / "bundle")
    time.sleep(seconds)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    # On a quick machine it is done by then, or Python is already ending, which hears no more.
    assert process.returncode in (ENDINGS[number], 0, -number), err
    assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} <= (
        set() if process.returncode == ENDINGS[number] else {"bundle"}
    )


def test_the_container_is_stopped_and_started_as_services_are() -> None:
    """`docker stop` is heard, a reboot starts it again, and archives have a place to be unpacked in."""
    root = MODELS.parent
    compose, image = (root / "compose.yaml").read_text(), (root / "Dockerfile.arm64").read_text()
    for words in ("init: true", "restart: unless-stopped", r"tmpfs:\n      - /tmp"):
        assert re.search(words, compose)
    assert "\nSTOPSIGNAL SIGINT\n" in image


SWALLOWS = """
import os, signal, sys, time, typer
from tbft_edge import main
app = typer.Typer()
class Closed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
@app.command()
def slow():
    Closed()
    time.sleep(600)
main.app = app
sys.argv = ["tbft-edge"]
main.main()
"""


def test_an_interruption_that_a_destructor_swallows_comes_again() -> None:
    """Python drops what is raised there, prints a traceback, and the command would go on."""
    process = subprocess.run(
        [DEVICE / "python", "-c", SWALLOWS], capture_output=True, text=True, preexec_fn=heed_interrupts, timeout=60
    )
    assert (process.returncode, process.stderr.strip()) == (143, "")
