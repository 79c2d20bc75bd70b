"""`python -m torture.fleet_kills`: a device that updates is killed at random moments, and has to answer after each."""

from __future__ import annotations

import collections
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import msgspec
import numpy as np

from support.agents import packed
from support.fleet_devices import ACCURATE, BAD, GOOD, OTHER, own_images, release_of
from support.fleets import new_fleet
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.envelope import verify
from tbft_fleet.device.join import join
from tbft_fleet.device.ongoing import read_ongoing
from tbft_fleet.device.place import Place
from tbft_fleet.device.states import State
from tbft_fleet.device.tidying import is_whole
from tbft_fleet.files.result import Result
from tbft_fleet.host.folder import Fleet
from tbft_runtime.inference.predictor import Predictor
from torture.killing import Counted, asked
from torture.processes import started
from torture.saying import say

SECONDS_PER_KILL = 3.0
# The second one is always worse than what runs.
RELEASES = (OTHER, BAD, GOOD)
_FIRST = GOOD
# Longer than any update takes, also on a machine that does other things.
_LONGEST = 120.0
# Most of the time goes by while gates are measured: as many kills come behind the beginning of another state.
_BEHIND_STATE = 0.5
_SHORTLY = 0.03
_UNDER_WAY = (State.VERIFY, State.STAGE, State.SWITCH, State.COMMIT, State.ROLL_BACK)


@dataclass
class Updates(Counted):
    """And how that to each release ended."""

    outcomes: dict[int, str] = field(default_factory=dict)


@dataclass
class World:
    """A fleet's repository, and a device of it on which release 1 runs."""

    folder: Path
    fleet: Fleet
    place: Place
    number: int = 0

    def publish(self, name: str) -> None:
        self.number += 1
        archive = packed(name, self.folder / "archive.tar.gz")
        with self.fleet.held():
            self.fleet.repository.publish({release_of(name, self.number, ACCURATE): archive})

    def pull(self) -> ForkServerProcess:
        """In a process of its own."""
        return started(["fleet", "pull", str(self.place.folder)], self.folder / "stderr")

    def pulled(self) -> int | None:
        """Pull to the end; the exit code, None where it never came to one."""
        process = self.pull()
        process.join(_LONGEST)
        return process.exitcode

    @property
    def state(self) -> State | None:
        """What an update is at; None where none is under way."""
        ongoing = read_ongoing(self.place.update)
        return None if ongoing is None or ongoing.has_ended else ongoing.state

    @property
    def is_done(self) -> bool:
        """Whether the newest release came to its end, one or the other."""
        ongoing = read_ongoing(self.place.update)
        return ongoing is not None and ongoing.number == self.number and ongoing.has_ended

    def said(self) -> str:
        return (self.folder / "stderr").read_text(errors="replace").strip()[-500:]


def make_world(folder: Path) -> World:
    """Raises RuntimeError if not even an update that nobody disturbs commits."""
    folder.mkdir()
    fleet = new_fleet(folder / "fleet")
    images = own_images(folder / "own")
    place = join(folder / "state", fleet.root, "pi-7", "porch", str(fleet.folder / "repository"), images)
    world = World(folder, fleet, place)
    world.publish(_FIRST)
    if world.pulled() != 0:
        raise RuntimeError(f"the first release was not taken: {world.said()}")
    return world


def torture(world: World, kills: int, seed: int) -> Updates:
    """Kill so many pulls, and let the last one end."""
    rng, counted = random.Random(seed), Updates()
    seconds = 2.0
    while counted.kills < kills:
        if world.is_done:
            world.publish(RELEASES[world.number % len(RELEASES)])
        began = time.monotonic()
        process = world.pull()
        _live(world, process, rng, seconds)
        if process.exitcode is None:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            counted.kills += 1
            counted.states[str(world.state or "before or after")] += 1
            if counted.kills % 25 == 0:
                say(f"{counted.kills} kills, {len(counted.problems)} problems")
        else:
            seconds = (seconds + time.monotonic() - began) / 2
            if process.exitcode not in (0, 1):
                counted.find(f"after kill {counted.kills} a pull ended with {process.exitcode}: {world.said()}")
        process.join(_LONGEST)
        for problem in problems(world):
            counted.find(f"after kill {counted.kills}: {problem}")
        counted.outcomes |= collected(world)
    _finish(world, counted)
    return counted


def _live(world: World, process: ForkServerProcess, rng: random.Random, seconds: float) -> None:
    """Until a random moment of the update, or shortly behind the beginning of one of its states."""
    end = time.monotonic() + rng.uniform(0, 1.2 * seconds)
    wanted = rng.choice(_UNDER_WAY) if rng.random() < _BEHIND_STATE else None
    if wanted is None:
        process.join(end - time.monotonic())
        return
    end = time.monotonic() + 4 * seconds
    while process.exitcode is None and world.state is not wanted and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(rng.uniform(0, _SHORTLY))


def _finish(world: World, counted: Updates) -> None:
    """The update that was killed last ends, and one that nobody disturbs is committed; every one was told of."""
    for _ in range(2):
        if world.pulled() not in (0, 1):
            counted.find(f"the last update does not end: {world.said()}")
    world.publish(OTHER if world.number % len(RELEASES) else GOOD)
    if world.pulled() != 0 or world.place.current() != world.number:
        counted.find(f"release {world.number} was not taken in the end: {world.said()}")
    for problem in problems(world):
        counted.find(f"in the end: {problem}")
    counted.outcomes |= collected(world)
    for number in range(1, world.number + 1):
        if number not in counted.outcomes:
            counted.find(f"nobody heard how release {number} ended")
    names = {path.name for path in world.place.releases.folder.iterdir()}
    folders = {world.place.releases.place(number).name for number in world.place.releases.numbers()}
    if len(folders) > 2 or names != {"current", "current-bundle", *folders} or any(world.place.incoming.iterdir()):
        counted.find(f"something is left: {sorted(names)}")


def problems(world: World) -> Iterator[str]:
    """What does not answer in the folder of a device in which nobody pulls."""
    place, number = world.place, world.place.current()
    if not is_whole(place, number):
        yield f"release {number} runs, and is not whole"
    try:
        predictor = Predictor.open(place.link, threads=1)
        pixels = np.zeros((1, *predictor.model.preprocessing.row_shape), np.uint8)
        next(predictor.answers(pixels))
    except TbftError as error:
        yield f"the bundle that the link leads to does not answer: {error.message}"
    linked, state = int(place.link.resolve().parent.name), world.state
    if linked != place.proven() and state is not State.COMMIT:
        yield f"release {place.proven()} is proven, and the link leads to {linked} in state {state}"
    if read_ongoing(place.update) is None:
        yield "update.json is gone"


def collected(world: World) -> dict[int, str]:
    """How updates ended, by what lies in the outbox, which is emptied as a host does."""
    found = {}
    keys = [world.place.signer().public_key]
    for path in sorted(world.place.outbox.glob("[0-9]*/result.dsse.json")):
        statement, _ = verify(path.read_bytes(), keys, str(path))
        update = msgspec.json.decode(statement.predicate, type=Result).update
        if update is not None:
            found[update.release] = update.outcome
        shutil.rmtree(path.parent)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if the old or the new release answered after every kill, and the last update ended."""
    found = asked("torture.fleet_kills", __doc__, 100, SECONDS_PER_KILL, arguments)
    if found is None:
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tbft-edge-fleet-") as scratch:
        counted = torture(make_world(Path(scratch) / "world"), found.kills, found.seed)
    for state, count in counted.states.most_common():
        say(f"{state:16}{count:5} kills")
    for outcome, count in collections.Counter(counted.outcomes.values()).most_common():
        say(f"{outcome:16}{count:5} releases")
    say(f"{counted.kills} kills in {time.monotonic() - began:.0f} s; {len(counted.problems)} problems")
    return 1 if counted.problems else 0


if __name__ == "__main__":
    sys.exit(main())
