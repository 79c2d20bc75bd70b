"""A network namespace for each board, on a bridge to this host, where root and iproute2 allow; else loopback, and why.

Each run has a number that no other has now, by a name that the kernel frees with the process which holds it. So a run
tells its own namespaces from those of a run beside it, and from those that a killed one left, which it removes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network

from support.boards import Spot, sshd

_RUNS = range(256)
_BRIDGE = re.compile(r"tbft-fleet-(?P<number>\d+)\b")
_SSH_PORT = 22
_PATIENCE = 5.0
# By which a board shows that it reaches its host: a firewall may be between them.
_KNOCK = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"


class _NotHereError(Exception):
    """There can be no namespaces here, and why."""


@dataclass(frozen=True)
class Network:
    """`host` is this machine as boards know it, and `spots` are theirs; `why_not` says why they have no namespaces."""

    host: str = "127.0.0.1"
    spots: Mapping[str, Spot] = field(default_factory=dict)
    why_not: str = ""

    def enter(self, board: str) -> tuple[str, ...]:
        """What a command begins with that runs on a board."""
        return self.spots[board].enter if board in self.spots else ()


@dataclass(frozen=True)
class _Run:
    """What a run with this number makes, by names that fit into the 15 characters of an interface's."""

    number: int

    @property
    def bridge(self) -> str:
        return f"tbft-fleet-{self.number}"

    @property
    def network(self) -> IPv4Network:
        return IPv4Network(f"10.77.{self.number}.0/24")

    def namespace(self, board: str) -> str:
        return f"{self.bridge}-{board}"

    def cable(self, board: str) -> str:
        """The host's end of the pair to a board."""
        return f"tbft-{self.number}-{board}"


@contextlib.contextmanager
def network(boards: Sequence[str]) -> Iterator[Network]:
    """Namespaces with these boards as long as the context lasts, or loopback."""
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(_namespaces(boards))
        except _NotHereError as error:
            found = Network(why_not=str(error))
        yield found


@contextlib.contextmanager
def _namespaces(boards: Sequence[str]) -> Iterator[Network]:
    if sshd() is None:
        raise _NotHereError("no sshd is installed, which would answer in them")
    if os.geteuid() != 0:
        raise _NotHereError("only root makes network namespaces")
    if _program() is None:
        raise _NotHereError("'ip' of iproute2 is not installed")
    _remove_what_dead_runs_left()
    with contextlib.closing(_claim_one()) as claim:
        try:
            made = _make(claim.run, boards)
            _knock(made, boards[0])
            yield made
        finally:
            _remove(claim.run)


def _make(run: _Run, boards: Sequence[str]) -> Network:
    """The host has the first address behind the bridge, and boards the next ones, in their order."""
    host, *others = (str(address) for _, address in zip(range(1 + len(boards)), run.network.hosts(), strict=False))
    length = run.network.prefixlen
    _ip("link", "add", run.bridge, "type", "bridge")
    _ip("address", "add", f"{host}/{length}", "dev", run.bridge)
    _ip("link", "set", run.bridge, "up")
    spots = {}
    for board, address in zip(boards, others, strict=True):
        name, cable = run.namespace(board), run.cable(board)
        _ip("netns", "add", name)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", cable, "master", run.bridge, "up")
        _ip("-n", name, "address", "add", f"{address}/{length}", "dev", "eth0")
        for interface in ("lo", "eth0"):
            _ip("-n", name, "link", "set", interface, "up")
        spots[board] = Spot(address, _SSH_PORT, (_program() or "ip", "netns", "exec", name))
    return Network(host, spots)


def _knock(made: Network, board: str) -> None:
    with socket.create_server((made.host, 0)) as door:
        port = door.getsockname()[1]
        words = [*made.enter(board), sys.executable, "-I", "-c", _KNOCK, made.host, str(port)]
        knocked = subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if knocked.returncode:
        raise _NotHereError(f"a board in one does not reach this host: {_last_line(knocked.stderr)}")


@dataclass(frozen=True)
class _Claim:
    """That a number is this run's, until `close`, or the end of this process."""

    run: _Run
    name: socket.socket

    def close(self) -> None:
        self.name.close()


def _claim(number: int) -> _Claim | None:
    name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        name.bind(f"\0tbft-fleet-{number}")
    except OSError:
        name.close()
        return None
    return _Claim(_Run(number), name)


def _claim_one() -> _Claim:
    """One whose addresses nothing on this machine has."""
    taken = _routes()
    for number in _RUNS:
        if not any(_Run(number).network.overlaps(each) for each in taken) and (claim := _claim(number)) is not None:
            return claim
    raise _NotHereError("this machine has routes to all of 10.77.0.0/16 already")


def _routes() -> list[IPv4Network]:
    routes = json.loads(_ip("-4", "-j", "route") or "[]")
    found = (ip_network(route["dst"]) for route in routes if route["dst"] != "default")
    return [each for each in found if isinstance(each, IPv4Network)]


def _remove_what_dead_runs_left() -> None:
    named = {match["number"] for name in (*_of_namespaces(), *_of_links()) if (match := _BRIDGE.match(name))}
    for number in sorted(map(int, named)):
        claim = _claim(number)
        if claim is not None:
            with contextlib.closing(claim):
                _remove(claim.run)


def _remove(run: _Run) -> None:
    """End what still runs in the namespaces of a run, and remove all that it made."""
    namespaces = [name for name in _of_namespaces() if name.startswith(f"{run.bridge}-")]
    for name in namespaces:
        _end_all_in(name)
    cables = [name for name in _of_links() if name.startswith(f"tbft-{run.number}-")]
    for link in (*cables, *(name for name in _of_links() if name == run.bridge)):
        with contextlib.suppress(_NotHereError):
            _ip("link", "delete", link)
    for name in namespaces:
        with contextlib.suppress(_NotHereError):
            _ip("netns", "delete", name)


def _end_all_in(namespace: str) -> None:
    """No process outlives it: else it would go on without its name."""
    ends = time.monotonic() + _PATIENCE
    while time.monotonic() < ends:
        try:
            there = [int(word) for word in _ip("netns", "pids", namespace).split()]
        except _NotHereError:
            return
        if not there:
            return
        for pid in there:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _of_namespaces() -> list[str]:
    return [line.split()[0] for line in _ip("netns", "list").splitlines() if line]


def _of_links() -> list[str]:
    return [link["ifname"] for link in json.loads(_ip("-j", "link") or "[]")]


def _program() -> str | None:
    return shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _ip(*words: str) -> str:
    """What iproute2's `ip` prints. Raises _NotHereError with what it says where it fails."""
    done = subprocess.run(
        [_program() or "ip", *words], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        raise _NotHereError(f"'ip {' '.join(words)}' says: {_last_line(done.stderr)}")
    return done.stdout


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["nothing"])[-1]
