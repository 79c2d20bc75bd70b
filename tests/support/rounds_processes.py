"""A host and its devices in rounds as processes of their own, on loopback, with TLS and keys."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest

from support.made_up_rounds import World
from tbft_fleet.device.place import Place
from tbft_fleet.files.round import Round
from tbft_fleet.rounds import superlink
from tbft_fleet.rounds.runtime_api import Api
from tbft_fleet.rounds.supernode import free_port

TBFT = Path(sys.executable).with_name("tbft-edge")
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.2)


@dataclass
class Process:
    """One, with what it said so far."""

    child: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    def end(self, how: int = signal.SIGTERM, seconds: float = 15) -> float:
        """In how many seconds it ended."""
        began = time.monotonic()
        self.child.send_signal(how)
        self.child.wait(seconds)
        return time.monotonic() - began

    def stop(self) -> None:
        """Whatever it is at."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.end()
        if self.child.poll() is None:
            self.child.kill()


@dataclass
class Lab:
    """A world whose devices come to its host's SuperLink through the proxy."""

    world: World
    devices: dict[str, Place]
    front: int = field(default_factory=free_port)
    back: int = field(default_factory=free_port)
    processes: list[Process] = field(default_factory=list)
    nodes: dict[str, Process] = field(default_factory=dict)

    @property
    def certificate(self) -> Path:
        return self.world.fleet.folder / "rounds" / "ca.crt"

    @property
    def api(self) -> Api:
        """The SuperLink, as its host speaks to it."""
        return superlink.Place(self.world.fleet.folder / "rounds").api(f"127.0.0.1:{self.back}")

    def start(
        self, *words: str | Path, program: Path = TBFT, environment: Mapping[str, str] = MappingProxyType({})
    ) -> Process:
        child = subprocess.Popen(
            [program, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        )
        process = Process(child)
        threading.Thread(target=self._read, args=(process,), daemon=True).start()
        self.processes.append(process)
        return process

    def superlink(self) -> Process:
        if NGINX is None:
            pytest.skip("nginx is not installed here")
        process = self.start(
            *("fleet", "superlink", self.world.fleet.folder, "--listen", f"127.0.0.1:{self.front}"),
            *("--port", str(self.back)),
        )
        until(self.certificate.exists, 30, process.text)
        return process

    def node(self, name: str, port: int | None = None) -> Process:
        """That comes by the proxy, or by another `port` of loopback."""
        place = self.devices[name]
        self.nodes[name] = self.start(
            *("fleet", "node", place.folder, "--superlink", f"127.0.0.1:{port or self.front}"),
            *("--certificate", self.certificate),
        )
        return self.nodes[name]

    def rounds(self, count: int, *words: str) -> Process:
        return self.start(
            *("fleet", "rounds", self.world.fleet.folder, "--port", str(self.back), "--rounds", str(count)), *words
        )

    def _read(self, process: Process) -> None:
        assert process.child.stdout is not None
        for line in process.child.stdout:
            process.said.append(line.rstrip())


@contextlib.contextmanager
def lab(folder: Path, *names: str) -> Iterator[Lab]:
    """With devices of these names; every process is ended behind it."""
    world = World(folder)
    found = Lab(world, {name: world.device(name) for name in names})
    try:
        yield found
    finally:
        for process in found.processes:
            process.stop()


def held(found: Lab) -> list[Round]:
    """The rounds that came to a merge, in order."""
    records = sorted(found.world.fleet.merges.glob("*/round.json"))
    return [msgspec.json.decode(path.read_bytes(), type=Round) for path in records]
