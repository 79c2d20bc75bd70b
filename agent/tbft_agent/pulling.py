"""A board that is left running looks for releases of its fleet by itself, with a process of its own for each look."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import msgspec

from tbft_agent.adapting.child import Commands, StoppedError
from tbft_agent.journal import Journal
from tbft_artifacts.errors import TbftError

# A board that starts has other things to do.
_FIRST_SECONDS = 60.0
# Boards that began together do not look together.
_SPREAD = 0.25
# The slowest line takes a bundle in that, as it does where a timer pulls.
_LONGEST_SECONDS = 2 * 3600.0
# As `fleet pull` ends where a release did not stay, which is no trouble of the agent's.
_DONE = (0, 1)


class Update(msgspec.Struct, frozen=True):
    """How one ended."""

    release: int
    outcome: str
    why: str | None


class Pulled(msgspec.Struct, frozen=True):
    """What `fleet pull --json` prints, as far as anybody here asks; `waits` is why nobody was asked."""

    updates: tuple[Update, ...]
    waits: str | None = None


class Puller:
    """Waits, and looks, and waits; what a look comes to is in the journal that was given last.

    Beside the agent, not in it: an update begins the agent anew, and goes on meanwhile.
    """

    def __init__(self, device: Path, config: Path, every_seconds: float) -> None:
        self._words = ("fleet", "pull", device, "--timer", "--agent", config)
        self._every = every_seconds
        self._commands = Commands(_LONGEST_SECONDS, fine=_DONE)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tbft-edge-puller", daemon=True)
        self._journal: Journal | None = None
        # Of what the last look failed; each is said once.
        self._failed: str | None = None

    def tell(self, journal: Journal) -> None:
        """Write into this journal from now on; the first one begins it all."""
        self._journal = journal
        if self._thread.ident is None:
            self._thread.start()

    def end(self) -> None:
        """Look no more, and wait for that; what was under way goes on with the next look of anybody."""
        self._ended.set()
        self._commands.stop()
        if self._thread.ident is not None:
            self._thread.join()

    def look(self) -> None:
        """Pull once."""
        try:
            found = msgspec.json.decode(self._commands.run(*self._words), type=Pulled)
        except StoppedError:
            return
        except TbftError as error:
            self._fails(error.message)
            return
        except msgspec.MsgspecError as error:
            self._fails(f"'fleet pull' says what nobody reads: {error}")
            return
        if found.waits is not None:
            return
        if self._failed is not None:
            self._failed = None
            self._write("releases can be had again")
        for each in found.updates:
            why = "" if each.why is None else f": {each.why}"
            self._write(f"release {each.release} {each.outcome}{why}", release=each.release)

    def _run(self) -> None:
        wait = _FIRST_SECONDS
        while not self._ended.wait(wait * (1 + random.uniform(0, _SPREAD))):
            self.look()
            wait = self._every

    def _fails(self, why: str) -> None:
        if why != self._failed:
            self._failed = why
            self._write(f"no release can be had: {why}")

    def _write(self, says: str, **figures: int) -> None:
        if self._journal is not None:
            self._journal.write("fleet", says, **figures)
