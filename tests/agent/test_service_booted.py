"""The whole way under a real systemd: installed, a camera's pictures answered, a training, stopped, removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.booted import Booted, booted, why_not
from support.bundles import compiled
from support.services import PATIENCE, free_port
from support.toys import coloured_squares, png
from tbft_agent.systemd.unit import NAME

# What people call folders, and what systemd reads something into.
FOLDER = '/home/somebody/my "100%" agent\\x:é'
STATE = "/var/lib/tbft-edge"
PICTURES = 128


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    reason = why_not()
    if reason is not None:
        pytest.skip(f"systemd was not booted: {reason}")
    with booted(tmp_path_factory.mktemp("booted")) as found:
        if found is None:
            pytest.skip("systemd was not booted: this machine does not let it")
        yield found


def wait_until(what: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < ends
        time.sleep(0.5)


@pytest.mark.long
def test_the_service_does_its_work_and_can_do_nothing_else(machine: Booted) -> None:
    """The unit is not only read: with all that it forbids the agent answers, empties its folder, and trains."""
    root = Path(f"/proc/{machine.pid}/root")
    folder, camera = root / FOLDER[1:], root / FOLDER[1:] / "camera"
    camera.mkdir(parents=True)
    camera.chmod(0o777)
    folder.parent.chmod(0o700)
    file = Path(FOLDER) / "agent.toml"
    (folder / "agent.toml").write_text(
        f"bundle = '{compiled('kept')}'\nstate = '{STATE}'\nthreads = 1\n"
        "[camera]\nfolder = 'camera'\nafter = 'delete'\nevery_seconds = 0.5\n"
        f"[http]\nport = {free_port()}\n[adapt]\nimages = 32\nunverified = true\n"
    )
    assert "did: run systemctl restart" in machine.tbft_edge("agent", "install", file, "--yes")
    assert machine.show(NAME, "ActiveState") == "active"

    status = (root / "proc" / machine.show(NAME, "MainPID") / "status").read_text()
    told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(told["Uid"].split()[0]) != 0
    assert (told["NoNewPrivs"], told["Seccomp"], int(told["CapBnd"], 16)) == ("1", "2", 0)

    for number, image in enumerate(coloured_squares(PICTURES, seed=3)[0]):
        (camera / f"{number:04}.png").write_bytes(png(image))
    wait_until(lambda: not list(camera.iterdir()))
    assert f"answered: {PICTURES} images" in machine.tbft_edge("agent", "status", file)
    wait_until(lambda: "\ttrained\t" in machine.tbft_edge("agent", "logs", file))

    machine.run("systemctl", "stop", NAME)
    assert (machine.show(NAME, "Result"), machine.show(NAME, "ExecMainStatus")) == ("success", "0")
    assert "did: remove" in machine.tbft_edge("agent", "uninstall", file, "--yes")
    assert machine.show(NAME, "LoadState") == "not-found"
    assert (root / STATE[1:] / "memory.json").is_file()
