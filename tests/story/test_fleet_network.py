"""The boards of the fleet's demo are apart from their host where they can be, and nothing of that outlives a run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.boards import sshd
from support.commands import ROOT

DEMO = ROOT / "demo"
sys.path.append(str(DEMO))
from fleet_network import Network, network  # noqa: E402

BOARDS = ("pi1", "pi2", "pi3")
TOOLS = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
# Makes a namespace, says so, and goes on until it is killed, as what a board does.
_RUN = """
import subprocess
from fleet_network import network
with network(("pi1",)) as made:
    print(made.why_not or made.spots["pi1"].address, flush=True)
    subprocess.run([*made.enter("pi1"), "sleep", "60"])
"""
_ASK = """
from fleet_network import network
with network(("pi1",)) as made:
    print(made.host, made.spots, made.why_not)
"""


@pytest.fixture
def made() -> Iterator[Network]:
    with network(BOARDS) as found:
        if found.why_not:
            pytest.skip(f"no board was apart from its host: {found.why_not}")
        yield found


@dataclass(frozen=True)
class Run:
    """One in a process of its own, and what it said first."""

    process: subprocess.Popen[str]
    said: str


@contextlib.contextmanager
def run_beside() -> Iterator[Run]:
    words = [sys.executable, "-c", _RUN]
    with subprocess.Popen(words, env=surroundings(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Run(process, process.stdout.readline().strip())
        finally:
            process.send_signal(signal.SIGINT)


def surroundings() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (DEMO, ROOT, ROOT / "tests", ROOT / "artifacts")))}


def on(board: str, found: Network, *words: str) -> str:
    return subprocess.run([*found.enter(board), *words], check=True, capture_output=True, text=True).stdout


def left() -> set[str]:
    """Names of namespaces and links of this demo."""
    both = subprocess.run("ip netns list; ip -brief link", shell=True, capture_output=True, text=True, check=False)
    return {line.split()[0] for line in both.stdout.splitlines() if line.startswith("tbft-")}


def test_each_board_has_a_network_of_its_own(made: Network) -> None:
    """With one address, beside its loopback, and no way to anywhere but its fleet's bridge."""
    seen = {board: on(board, made, "readlink", "/proc/self/ns/net").strip() for board in BOARDS}
    assert len({*seen.values(), str(Path("/proc/self/ns/net").readlink())}) == len(BOARDS) + 1
    for board in BOARDS:
        assert f"{made.spots[board].address}/24" in on(board, made, "ip", "-4", "-brief", "address")
        assert "default" not in on(board, made, "ip", "route")


def test_a_run_beside_it_has_other_addresses_and_ends_nothing_of_it(made: Network) -> None:
    """Each has a number of its own."""
    with run_beside() as other:
        assert other.said.startswith("10.77.")
        assert other.said not in {spot.address for spot in made.spots.values()}
    assert other.process.wait(20) is not None
    assert on("pi1", made, "echo", "there") == "there\n"


def test_what_a_killed_run_left_is_removed_by_the_next(made: Network) -> None:
    """Also the processes that still run in its namespaces, and nothing of a run that is at work."""
    own = left()
    with run_beside() as other:
        pid = int(subprocess.check_output(["pgrep", "-P", str(other.process.pid)], text=True))
        other.process.kill()
        other.process.wait(20)
    assert left() > own
    with network(BOARDS):
        assert not Path(f"/proc/{pid}/ns/net").exists()  # Of a zombie there is none either.
    assert left() == own


def test_nothing_stays_behind_its_end(made: Network) -> None:
    """Whatever ends it: here Ctrl-C, with a process in a namespace that nobody waits for."""
    own, begun = left(), list[subprocess.Popen[bytes]]()
    with pytest.raises(KeyboardInterrupt):
        _interrupted(begun)
    assert left() == own
    assert begun[0].wait(20) == -signal.SIGKILL


def _interrupted(begun: list[subprocess.Popen[bytes]]) -> None:
    with network(BOARDS) as found:
        begun.append(subprocess.Popen([*found.enter("pi2"), "sleep", "60"]))
        raise KeyboardInterrupt


@pytest.mark.skipif(sshd() is None, reason="no sshd is installed")
def test_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is tried."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with network(BOARDS) as found:
        assert found == Network(why_not="only root makes network namespaces")


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="no right could be taken from root")
@pytest.mark.skipif(shutil.which("ip", path=TOOLS) is None, reason="iproute2 is not installed")
@pytest.mark.skipif(sshd() is None, reason="no sshd is installed")
@pytest.mark.parametrize("right", ["sys_admin", "net_admin"])
def test_root_in_a_sandbox_is_told_what_was_forbidden(right: str) -> None:
    """And boards are on loopback then, with nothing half made."""
    own = left()
    words = ["setpriv", f"--bounding-set=-{right}", f"--inh-caps=-{right}", sys.executable, "-c", _ASK]
    said = subprocess.check_output(words, env=surroundings(), text=True)
    assert said.startswith("127.0.0.1 {} 'ip ")
    assert left() == own
