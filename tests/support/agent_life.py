"""An agent over several starts, some of which end badly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from support.agents import NO_BOARD, TurnedClock, copied, started
from tbft_agent.agent import Agent
from tbft_agent.memory import Memory, read_memory, write_memory
from tbft_agent.settings import Configured
from tbft_agent.versions import Version
from tbft_runtime.board.access import Board


@dataclass
class Life:
    """An agent over several starts."""

    found: Configured
    board: Board = NO_BOARD

    def begin(self) -> Agent:
        return started(self.found, TurnedClock(), self.board)

    def crash(self) -> Agent:
        """It starts, and is killed."""
        agent = self.begin()
        agent.core.store.close()
        return agent

    def remember(self, memory: Memory) -> None:
        write_memory(self.found.state / "memory.json", memory)

    @property
    def memory(self) -> Memory:
        found = read_memory(self.found.state / "memory.json")
        assert found is not None
        return found

    def swap(self, run: Path, number: int, **what: object) -> None:
        """A version answers; whether that was remembered is another matter."""
        agent = self.begin()
        version = msgspec.convert({"number": number, "before": number - 1, **what}, Version)
        agent.core.versions.keep(copied(run, self.found.state / "work" / "run"), version)
        agent.core.versions.activate(number)
        agent.core.store.close()
