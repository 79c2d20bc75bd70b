"""Rounds over Flower: a SuperLink of the host, a node on each board, and what the host holds with them."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from commands import DemoError, Json, run, say
from fleet_ansible import Crew
from fleet_place import BOARDS, Place

from support.services import free_port

ROUNDS, EPOCHS = 2, 16
_STARTING_SECONDS = 60.0


def rounds(crew: Crew) -> list[Json]:
    """Two of them, as `fleet rounds --json` tells of them."""
    place, front, back = crew.place, free_port(), free_port()
    certificate = place.fleet / "rounds" / "ca.crt"
    with contextlib.ExitStack() as stack:
        words: list[str | Path] = ["superlink", place.fleet, "--listen", f"127.0.0.1:{front}", "--port", str(back)]
        link = stack.enter_context(_process(place, "superlink", "host: lets boards in", words))
        _wait_for(certificate, link, place.logs / "superlink.txt")
        for board in BOARDS:
            state = crew.boards.state(board)
            words = ["node", state, "--superlink", f"127.0.0.1:{front}", "--certificate", certificate]
            stack.enter_context(_process(place, f"node-{board}", f"{board}: waits for tasks", words))
        words = [place.tool, "fleet", "rounds", place.fleet, "--port", str(back), "--rounds", str(ROUNDS)]
        words += ["--epochs", str(EPOCHS), "--timeout", "120", "--json"]
        held: list[Json] = json.loads(run("host: holds rounds; photos stay where they are", words))
    return held


@contextlib.contextmanager
def _process(place: Place, name: str, step: str, words: list[str | Path]) -> Iterator[subprocess.Popen[bytes]]:
    """`tbft-edge fleet WORDS`, until the end of the context; what it says lies in a file."""
    command = [str(word) for word in (place.tool, "fleet", *words)]
    say(f"\n{step}\n  $ {shlex.join(command)} &")
    with (place.logs / f"{name}.txt").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            process.terminate()


def _wait_for(file: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + _STARTING_SECONDS
    while not file.exists():
        if process.poll() is not None or time.monotonic() > ends:
            raise DemoError(f"the SuperLink did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")
        time.sleep(0.2)
