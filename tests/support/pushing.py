"""A fleet whose boards Ansible reaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.agents import packed
from support.boards import Boards, Played
from support.commands import DEVICE, Ended, run

GATES = "\n[groups.porch.gates]\ndoctor = false\naccuracy = 0.9\nrequired = ['accuracy']\n"


@dataclass
class Bed:
    """A fleet and its boards. `fleet` is the host's folder."""

    boards: Boards
    fleet: Path
    inventory: Path

    def host(self, *words: str | Path) -> Ended:
        """`tbft-edge fleet WORDS` where the fleet's folder lies."""
        ended = run(DEVICE, "fleet", *words)
        assert ended.code == 0, ended
        return ended

    def release(self, name: str) -> None:
        self.host("release", self.fleet, packed(name, self.fleet.with_name(f"{name}.tar.gz")))

    def play(self, name: str, heard: Callable[[str], None] | None = None, **variables: object) -> Played:
        """A playbook; `heard` is told each line as it comes."""
        return self.boards.play(name, self.inventory, {"device_fleet": str(self.fleet), **variables}, heard)

    def runs(self) -> dict[str, int]:
        """Which release runs on each board."""
        return self.boards.runs()
