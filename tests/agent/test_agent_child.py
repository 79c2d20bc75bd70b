"""Commands in processes of their own: ended when they should be, with the agent however it ends, and heard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from support.bundles import KEPT, compiled
from support.scripts import script
from tbft_agent.adapting import child as module
from tbft_agent.adapting.child import BoardError, Commands, StoppedError
from tbft_artifacts.errors import NO_MEMORY, TbftError

PATIENCE = 10.0


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for the interpreter: a script that a test writes."""
    path = tmp_path / "python"
    monkeypatch.setattr(module.sys, "executable", str(path))
    return path


def is_alive(process: int) -> bool:
    """Whether it runs, and is not only waited for by nobody."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until_gone(process: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while is_alive(process):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read_number(path: Path) -> int:
    """Which a process writes there one day."""
    deadline = time.monotonic() + PATIENCE
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(path.read_text())


def test_what_it_prints_and_what_it_says(python: Path) -> None:
    script(python, 'echo "$@"')
    assert Commands().run("train", Path("x")).split() == [
        *(b"-P", b"-m"),
        *f"{module._TIED} {os.getpid()} tbft_edge train x --json".encode().split(),
    ]
    script(
        python,
        "echo 'progress 1' >&2",
        "echo 'error: the bundle is gone' >&2",
        "echo 'hint: put it back' >&2",
        "exit 2",
    )
    with pytest.raises(TbftError, match="the bundle is gone") as error:
        Commands().run("train")
    assert (error.value.hint, isinstance(error.value, BoardError)) == ("put it back", False)


def test_one_that_the_kernel_ended_is_no_fault_of_the_images(python: Path) -> None:
    """Its last line of progress was taken for the reason."""
    script(python, "echo 'epoch 3/10: loss 0.1' >&2", "kill -KILL $$")
    with pytest.raises(BoardError, match=r"SIGKILL; memory may have been short"):
        Commands().run("train")


def test_it_may_use_so_much_memory_and_no_more(python: Path) -> None:
    """`--memory-budget` is `train`'s alone, and an estimate: what diagnoses, learns or answers had no limit."""
    script(python, "sleep 0.2; ulimit -d")
    assert int(Commands(most_bytes=64 << 20).run("learn")) == (64 + 256) << 10
    assert Commands().run("learn").strip() == b"unlimited"


def test_one_that_got_no_memory_is_no_fault_of_the_images(python: Path) -> None:
    """People were asked for labels of it."""
    script(python, f"echo 'error: {NO_MEMORY}' >&2", "exit 2")
    with pytest.raises(BoardError, match="not enough memory"):
        Commands().run("learn")


@pytest.mark.parametrize("megabytes", [70, 120])
def test_a_command_at_its_limit_says_so_in_a_line(tmp_path: Path, squares: Path, megabytes: int) -> None:
    """While libraries are loaded, or later."""
    commands = Commands(most_bytes=(megabytes << 20) - module._RESERVED)
    words = ("--data", squares, "--threads", "1", "--meter", "none", "--out", tmp_path / "run")
    with pytest.raises(BoardError, match="not enough memory"):
        commands.run("learn", compiled(KEPT), *words)


@pytest.mark.long
def test_stopping_ends_what_runs_also_what_it_began(python: Path, tmp_path: Path) -> None:
    """A meter that the command started held its pipes: the agent waited until it was killed itself."""
    script(python, f"sleep 600 & echo $! > {tmp_path / 'pid'}", "trap '' TERM", "sleep 600")
    commands, ended = Commands(), threading.Event()

    def run() -> None:
        with pytest.raises(StoppedError):
            commands.run("train")
        ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    grandchild = read_number(tmp_path / "pid")
    commands.stop()
    assert ended.wait(PATIENCE)
    wait_until_gone(grandchild)
    with pytest.raises(StoppedError):
        commands.run("train")


def test_stopping_at_any_moment_leaves_nothing(python: Path, tmp_path: Path) -> None:
    """Whether the child is there already or not yet: after `stop` none begins, and none runs."""
    script(python, f"echo $$ >> {tmp_path / 'pids'}", "exec sleep 600")

    def run(commands: Commands) -> None:
        with pytest.raises(StoppedError):
            commands.run("train")

    for pause in (0, 0.0005, 0.001, 0.003, 0.01, 0.05):
        commands = Commands()
        thread = threading.Thread(target=run, args=(commands,))
        thread.start()
        time.sleep(pause)
        commands.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    for pid in (tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []:
        wait_until_gone(int(pid))


def test_one_that_hangs_is_ended(python: Path) -> None:
    """Else the agent would be adapting for ever."""
    script(python, "exec sleep 600")
    with pytest.raises(BoardError, match="did not end"):
        Commands(longest_seconds=0.2).run("train")


def test_a_command_dies_with_a_killed_agent(tmp_path: Path) -> None:
    """It trained on beside the next agent, and wrote into its folder."""
    package = tmp_path / "tbft_edge"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    )
    words = "from tbft_agent.adapting.child import Commands; Commands().run('train')"
    agent = subprocess.Popen(
        [sys.executable, "-c", words], env=os.environ | {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path
    )
    command = read_number(tmp_path / "pid")
    agent.send_signal(signal.SIGKILL)
    agent.wait(PATIENCE)
    wait_until_gone(command)


def test_a_child_gives_way(python: Path) -> None:
    """To what answers images, and to the kernel when memory is short."""
    script(python, "nice; cat /proc/self/oom_score_adj")
    time_given = Commands().run("train").split()
    assert int(time_given[-1]) >= 0


def test_some_exit_codes_are_fine(python: Path) -> None:
    """Such as that of a release which did not stay: what it prints says so."""
    script(python, "echo gone", "exit 1")
    assert Commands(fine=(0, 1)).run("fleet") == b"gone\n"
    with pytest.raises(TbftError, match="exit code 1"):
        Commands().run("fleet")
