"""Playbooks of the collection on the demo's boards, told as they go: what changed on which board, and what failed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from commands import DemoError, Json, run_json, say
from fleet_network import Network
from fleet_place import BOARDS, Place

from support.boards import Boards, Played

_TASK = re.compile(r"TASK \[(?:tbft\.edge\.device : )?(?P<name>.+?)\]")
_RESULT = re.compile(r"(?P<how>changed|fatal|failed): \[(?P<board>[^] ]+)")
_REASON = re.compile(r'"msg": "(?P<text>.*?)"(?:, "|\})')
_REASON_LENGTH = 200


@dataclass
class Teller:
    """Hears what Ansible says, and prints what somebody wants to know of it."""

    _task: str = ""
    _told: set[str] = field(default_factory=set)

    def hear(self, line: str) -> None:
        """A line of `ansible-playbook`."""
        if task := _TASK.match(line):
            self._task = task["name"]
        elif result := _RESULT.match(line):
            reason = _REASON.search(line)
            how = result["how"] if reason is None else f"{result['how']}: {reason['text'][:_REASON_LENGTH]}"
            told = f"    {result['board']}: {self._task}{'' if how == 'changed' else f' – {how}'}"
            if told not in self._told:
                say(told)
            self._told.add(told)


@dataclass(frozen=True)
class Crew:
    """The boards, the network between them and their host, and who looks after them from there."""

    place: Place
    network: Network
    boards: Boards
    inventory: Path

    @classmethod
    def of(cls, place: Place, network: Network, boards: Boards) -> Crew:
        images = {board: place.photos(board).absolute() for board in BOARDS}
        return cls(place, network, boards, boards.inventory(images))

    def deploy(self, step: str) -> Played:
        """The newest release to a canary, and to all others at once if that kept it."""
        return self.play(step, "deploy", fleet_waves=[1, "100%"])

    def play(self, step: str, name: str, **variables: object) -> Played:
        """A playbook, and how it ended."""
        say(f"\n{step}\n  $ ansible-playbook -i {self.inventory} tbft.edge.{name}")
        return self.boards.play(
            name, self.inventory, {"device_fleet": str(self.place.fleet.absolute()), **variables}, Teller().hear
        )

    def play_well(self, step: str, name: str, **variables: object) -> None:
        """A playbook that has to come out. Raises DemoError with what Ansible said."""
        came_out(self.play(step, name, **variables))

    def collect(self) -> Json:
        """What boards signed comes to the host, and the host takes what it can check."""
        self.play_well("host: fetches what boards say", "collect")
        return self.take()

    def take(self) -> Json:
        """What was fetched already."""
        words = [self.place.tool, "fleet", "collect", self.place.fleet, self.place.fleet / "inbox"]
        return run_json("host: checks who signed it, and takes it", words)


def came_out(played: Played) -> None:
    """Raises DemoError with what Ansible said where a playbook failed."""
    if played.code:
        raise DemoError(f"the playbook ended with exit code {played.code}:\n{played.said[-2000:]}")
