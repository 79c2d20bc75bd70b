"""`python -m torture.agent_kills`: an agent that adapts is killed at random moments, and has to answer after each."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tbft_agent.memory import read_memory
from tbft_agent.serving.served import serve
from tbft_agent.versions import Versions
from tbft_agent.watching.normal import Normal
from tbft_artifacts.errors import TbftError
from torture.agent_world import World, make_world
from torture.killing import Counted, asked
from torture.saying import say

SECONDS_PER_KILL = 4.5
_LONGEST_LIFE = 8.0
# What systemd gives it, and more, on a machine that does other things.
_ENDS_SECONDS = 30.0
# Of the kills so many come while it starts; of the ends so many are orderly, and begin no loop of crashes.
_AT_START, _ORDERLY = 0.1, 0.15


@dataclass
class Lives(Counted):
    """And how often another model answered."""

    swaps: int = 0

    def look(self, world: World, moment: str, *, was_struck: bool = True) -> None:
        """At what an agent left behind that does not run; what it was at is counted where it `was_struck`."""
        memory = read_memory(world.state / "memory.json")
        self.states["not yet started" if memory is None else memory.state.value] += was_struck
        for problem in problems(world):
            self.find(f"{moment}: {problem}")


def torture(world: World, kills: int, seed: int) -> Lives:
    """Kill it so many times."""
    rng, counted = random.Random(seed), Lives()
    with world.lives(seed):
        while counted.kills < kills:
            process = world.start()
            if rng.random() < _AT_START:
                time.sleep(rng.uniform(0, 1.5))
            else:
                if world.answers(process) is None:
                    counted.find(f"after kill {counted.kills} it does not answer: {_said(world)}")
                world.live(rng.random() ** 2 * _LONGEST_LIFE)
            is_orderly = rng.random() < _ORDERLY
            assert process.pid is not None
            os.kill(process.pid, signal.SIGTERM if is_orderly else signal.SIGKILL)
            process.join(_ENDS_SECONDS)
            code = process.exitcode
            # While it starts nobody handles the signal yet but the command line.
            if is_orderly and code not in (0, 128 + signal.SIGTERM, -signal.SIGTERM):
                counted.find(f"it ended with {code}: {_said(world)}")
            counted.kills += not is_orderly
            counted.look(world, f"after kill {counted.kills}", was_struck=not is_orderly)
            if counted.kills % 25 == 0 and not is_orderly:
                say(f"{counted.kills} kills, {len(counted.problems)} problems")
    counted.swaps = sum(b'"what":"better"' in line for line in _journal(world))
    return counted


def problems(world: World) -> Iterator[str]:
    """What is half written, or cannot be loaded, in the folder of an agent that does not run."""
    state = world.state
    if not (state / "versions").is_dir():
        return
    versions = Versions(state / "versions", _bundle(world))
    try:
        serve(versions.model(versions.current), 1)
    except TbftError as error:
        yield f"version {versions.current} cannot be loaded: {error.message}"
    for place in sorted((state / "versions").glob("[0-9]*")):
        if int(place.name) and versions.get(int(place.name)) is None:
            yield f"version {place.name} is not whole"
        normal = place / "normal.npz"
        if normal.exists() and Normal.read(normal, 4) is None:
            yield f"{normal} is not whole"
    if (state / "memory.json").exists() and read_memory(state / "memory.json") is None:
        yield "memory.json is not whole"
    if (state / "images" / "images.sqlite").exists():
        yield from _images(state / "images")
    for line in _journal(world)[:-1]:
        try:
            msgspec.json.decode(line)
        except msgspec.MsgspecError:
            # Cut by one of the kills, and then gone on behind.
            if line.startswith(b"{") and line.endswith(b"}"):
                yield f"the journal has {line[:80]!r}"


def _images(folder: Path) -> Iterator[str]:
    """A copy is asked: the agent itself has to find it as it was left."""
    with tempfile.TemporaryDirectory() as place:
        for path in folder.glob("images.sqlite*"):
            shutil.copy(path, place)
        connection = sqlite3.connect(Path(place) / "images.sqlite")
        try:
            found = connection.execute("pragma integrity_check(1)").fetchone()[0]
            if found != "ok":
                yield f"the list of images: {found}"
        except sqlite3.DatabaseError as error:
            yield f"the list of images: {error}"
        finally:
            connection.close()


def _bundle(world: World) -> Path:
    return Path(msgspec.toml.decode(world.config.read_bytes())["bundle"])


def _journal(world: World) -> list[bytes]:
    names = ("journal.1.jsonl", "journal.jsonl")
    return [line for name in names if (path := world.state / name).exists() for line in path.read_bytes().splitlines()]


def _said(world: World) -> str:
    return (world.folder / "stderr").read_text(errors="replace").strip()[-500:]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if it answered after every kill, and nothing was half written."""
    found = asked("torture.agent_kills", __doc__, 300, SECONDS_PER_KILL, arguments)
    if found is None:
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tbft-edge-agent-") as scratch:
        counted = torture(make_world(Path(scratch) / "world"), found.kills, found.seed)
    for state, count in counted.states.most_common():
        say(f"{state:16}{count:5} kills")
    seconds = time.monotonic() - began
    say(f"{counted.kills} kills in {seconds:.0f} s, {counted.swaps} swaps; {len(counted.problems)} problems")
    return 1 if counted.problems or not counted.swaps else 0


if __name__ == "__main__":
    sys.exit(main())
