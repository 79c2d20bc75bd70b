"""Ctrl-C, a pulled plug, and a loss that is no number: nothing that was saved is lost, and runs go on."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.commands import DEVICE, Ended, heed_interrupts, refused, run, start
from support.states import assert_equal_states, epoch_of, state_of
from support.toys import save_squares

EPOCHS = 60
KILLS = 20
# Patience must not end the run before the kills have had their chance.
OPTIONS = ("--epochs", EPOCHS, "--patience", EPOCHS, "--threads", "1", "--batch-size", "2", "--resume")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough images that an epoch takes a while."""
    return save_squares(tmp_path_factory.mktemp("many") / "data.npz", 160)


def arguments(bundle: Path, data: Path, out: Path) -> list[str]:
    return ["train", *map(str, (bundle, "--data", data, "--out", out, *OPTIONS))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, bundle: Path, many: Path) -> Path:
    """The run that nobody interrupted."""
    out = tmp_path_factory.mktemp("whole") / "run"
    ended = run(DEVICE, *arguments(bundle, many, out))
    assert ended.code == 0, ended
    return out


class Running:
    """A command in progress, and what it says."""

    def __init__(self, *words: str) -> None:
        self.started = time.monotonic()
        self.process = start(DEVICE, *words)
        self.said = ""

    def wait_for_epoch(self) -> None:
        """Return when the next epoch ends, or the command does."""
        assert self.process.stderr is not None
        while line := self.process.stderr.readline():
            self.said += line
            if line.startswith("epoch "):
                return

    def stop(self, number: signal.Signals) -> Ended:
        """Send a signal, and wait for the end."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return Ended(self.process.returncode, out, self.said + err)


@pytest.mark.long
def test_twenty_kills_lose_nothing(bundle: Path, many: Path, whole: Path, tmp_path: Path) -> None:
    """SIGKILL, as a pulled plug would: at start-up, between epochs and inside them, and --resume each time.

    The state on the disk can always be loaded and never goes back, the end is that of a run that was
    left alone, bit for bit, and no temporary files are left.
    """
    rng = random.Random(26)
    out = tmp_path / "run"
    # How long a start and an epoch take here decides where kills fall, and nothing else.
    watched = Running(*arguments(bundle, many, out))
    watched.wait_for_epoch()
    start_up = time.monotonic() - watched.started
    before = time.monotonic()
    watched.wait_for_epoch()
    one_epoch = time.monotonic() - before
    kills, moments, reached = 0, [], [0]
    ended = watched.stop(signal.SIGKILL)
    while True:
        if ended.code == -signal.SIGKILL:
            kills += 1
            moments.append(ended.err.count("epoch "))
        if (out / "state.safetensors").exists():
            reached.append(epoch_of(out))
            assert reached[-1] >= reached[-2]
        if kills == KILLS:
            break
        running = Running(*arguments(bundle, many, out))
        if kills % 2:
            time.sleep(rng.uniform(0, 1.1) * start_up)
        else:
            running.wait_for_epoch()
            # The first start of all may have waited for the disk.
            start_up = min(start_up, time.monotonic() - running.started)
            time.sleep(rng.uniform(0, 1.5) * one_epoch)
        ended = running.stop(signal.SIGKILL)
    assert 0 in moments, "no kill hit the start-up"
    assert len(set(reached)) > 5, "the kills did not spread over several epochs"
    assert reached[-1] < EPOCHS, "the run ended before the kills did"

    final = run(DEVICE, *arguments(bundle, many, out))
    assert final.code == 0, final
    assert_equal_states(out, whole)
    assert {path.name for path in out.iterdir()} == {path.name for path in whole.iterdir()}


def test_ctrl_c_says_how_to_go_on(bundle: Path, many: Path, whole: Path, tmp_path: Path) -> None:
    """Exit code 130, no traceback, the last whole epoch on the disk; the same command with --resume ends as planned."""
    out = tmp_path / "run"
    running = Running(*arguments(bundle, many, out))
    running.wait_for_epoch()
    ended = running.stop(signal.SIGINT)
    assert ended.code == 130, ended
    assert "--resume" in ended.err
    assert str(out) in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert 1 <= epoch_of(out) < EPOCHS
    assert run(DEVICE, *arguments(bundle, many, out)).code == 0
    assert_equal_states(out, whole)


# Presses Ctrl-C at the moment when a certain module begins to be imported, then runs the command.
PRESSED = """
import os, signal, sys
class Press:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)
module, sys.argv = sys.argv[1], ["tbft-edge", *sys.argv[2:]]
from tbft_edge.main import main
sys.meta_path.insert(0, Press())
main()
"""


@pytest.mark.parametrize(
    "module", ["numpy._core", "onnxruntime.capi.onnxruntime_pybind11_state", "numpy.random.mtrand", "PIL._imaging"]
)
def test_ctrl_c_while_libraries_load(module: str, bundle: Path, data: Path, tmp_path: Path) -> None:
    """Importing takes seconds on a Pi, and C extensions swallow Ctrl-C or fail in their own way: it still ends well."""
    out = tmp_path / "run"
    ended = subprocess.run(
        [DEVICE / "python", "-c", PRESSED, module, "train", bundle, "--data", data, "--out", out],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=heed_interrupts,
    )
    assert ended.returncode == 130, ended
    assert "Traceback" not in ended.stderr
    assert not out.exists()


def test_a_second_process_is_kept_out(bundle: Path, many: Path, tmp_path: Path) -> None:
    """While a run is in progress its folder is locked; the lock ends with the process, however it ends."""
    out = tmp_path / "run"
    running = Running(*arguments(bundle, many, out))
    running.wait_for_epoch()
    assert "another process is training" in refused(run(DEVICE, *arguments(bundle, many, out))).message
    assert running.process.poll() is None
    running.stop(signal.SIGKILL)
    second = Running(*arguments(bundle, many, out))
    second.wait_for_epoch()
    assert second.said.splitlines()[-1].startswith("epoch ")
    second.stop(signal.SIGKILL)


def test_a_loss_that_is_no_number(bundle: Path, data: Path, tmp_path: Path) -> None:
    """Exit code 3, a hint at the learning rate, and the state before is kept and can be evaluated."""
    out = tmp_path / "run"
    ended = run(DEVICE, "train", bundle, "--data", data, "--out", out, "--lr", "3e38", "--epochs", "5")
    refusal = refused(ended, code=3)
    assert "--lr" in refusal.hint
    assert str(out) in refusal.message
    tensors, _ = state_of(out)
    assert all((abs(value) < float("inf")).all() for value in tensors.values())
    assert run(DEVICE, "eval", out, "--data", data).code == 0
