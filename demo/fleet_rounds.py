"""Rounds over Flower: a SuperLink of the host, a node on each board, and what the host holds with them."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from commands import DemoError, Json, run, say
from fleet_ansible import Crew
from fleet_place import BOARDS, Place

from support.services import free_port

ROUNDS, EPOCHS = 2, 16
_STARTING_SECONDS, _ENDING_SECONDS = 60.0, 10.0


@contextlib.contextmanager
def superlink(crew: Crew) -> Iterator[int]:
    """One that lets boards in, and a node on each of them; the port at which the host speaks to it."""
    place, back = crew.place, free_port()
    listen = f"{crew.network.host}:{free_port()}"
    certificate = place.fleet / "rounds" / "ca.crt"
    services = _Services(place)
    try:
        link = services.begin(
            "superlink", "host: lets boards in", (), "superlink", place.fleet, "--listen", listen, "--port", str(back)
        )
        _wait_for(certificate, link, place.logs / "superlink.txt")
        for board in BOARDS:
            words = ("node", crew.boards.state(board), "--superlink", listen, "--certificate", certificate)
            services.begin(f"node-{board}", f"{board}: waits for tasks", crew.network.enter(board), *words)
        yield back
    finally:
        services.end()


def rounds(place: Place, port: int) -> list[Json]:
    """Two of them, as `fleet rounds --json` tells of them."""
    words: list[str | Path] = [place.tool, "fleet", "rounds", place.fleet, "--port", str(port)]
    words += ["--rounds", str(ROUNDS), "--epochs", str(EPOCHS), "--timeout", "120", "--json"]
    held: list[Json] = json.loads(run("host: holds rounds; photos stay where they are", words))
    return held


@dataclass
class _Services:
    """Commands `tbft-edge fleet` that nobody waits for; what each says lies in a file."""

    place: Place
    _begun: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def begin(self, name: str, step: str, enter: tuple[str, ...], *words: str | Path) -> subprocess.Popen[bytes]:
        command = [*enter, str(self.place.tool), "fleet", *map(str, words)]
        say(f"\n{step}\n  $ {shlex.join(command)} &")
        with (self.place.logs / f"{name}.txt").open("wb") as log:
            self._begun.append(subprocess.Popen(command, stdout=log, stderr=log))
        return self._begun[-1]

    def end(self) -> None:
        """Tell all to end, and see to it that they do."""
        for process in self._begun:
            process.terminate()
        for process in self._begun:
            try:
                process.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(file: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + _STARTING_SECONDS
    while not file.exists():
        if process.poll() is not None or time.monotonic() > ends:
            raise DemoError(f"the SuperLink did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")
        time.sleep(0.2)
