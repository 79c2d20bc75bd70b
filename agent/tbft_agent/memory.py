"""What the agent remembers over a restart, in one small file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from tbft_agent.states import State
from tbft_agent.trying import NOTHING_TRIED, Tried
from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.own import read_own
from tbft_artifacts.rights import PRIVATE_FILE

Cause = Literal["images", "answers", "told"]
_DAY = 24 * 3600.0


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """How a model does that answers since lately: sums over `images`, and what was promised of it (None: nothing)."""

    images: int = 0
    confidence: float = 0.0
    promised: float | None = None

    @property
    def mean(self) -> float | None:
        return self.confidence / self.images if self.images else None


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """`lived` is the agent's age in seconds. `episode` counts drifts, and `since` is its age when the state began.

    Nothing is tried again before the age `rests_until`. `day_began` and `joules` say what was spent since then.
    """

    state: State = State.WATCHING
    lived: float = 0.0
    since: float = 0.0
    episode: int = 0
    cause: Cause | None = None
    needs_labels: bool = False
    """Whether means without labels came to nothing in this episode."""
    asked: int = 0
    """How many labels this episode waits for."""
    paused: bool = False
    rests_until: float = 0.0
    day_began: float = 0.0
    joules: float = 0.0
    watts: float | None = None
    """What trainings took on average when a meter last saw one."""
    begun: float | None = None
    """The age at which the training began that goes on, and is not counted yet."""
    unresolved: bool = False
    """Whether a drift of images was left as it is: if it is still there after a rest, its labels count."""
    tried: Tried = NOTHING_TRIED
    """What came to nothing last, and is not begun again as it was."""
    trial: Trial = Trial()
    checked: float = 0.0
    """The age at which it asked last without a reason."""
    starts: int = 0
    """How often it started since it last ran for a while: many of them are a loop of crashes."""
    cut: int = 0
    """How many trainings after each other the agent did not live to see the end of."""
    boot: str = ""
    """The board's boot in which it did: pulled plugs are no crashes."""
    version: int = 0
    """The one that answered: where another does now, what that began was not written down any more."""
    chosen: int = 0
    """The version that somebody chose to keep, or to use: whether labels verified it does not matter any more."""
    bundle: str = ""
    """The id of the bundle that all of this is about."""

    def spent(self, joules: float) -> Memory:
        """With what a training took."""
        fresh = self.lived - self.day_began >= _DAY
        began = self.lived if fresh else self.day_began
        return msgspec.structs.replace(self, day_began=began, joules=joules + (0.0 if fresh else self.joules))

    @property
    def joules_today(self) -> float:
        return self.joules if self.lived - self.day_began < _DAY else 0.0


def read_memory(path: Path) -> Memory | None:
    """What was kept; None where nothing was, or nothing whole."""
    return read_own(path, Memory)


def write_memory(path: Path, memory: Memory) -> None:
    """Keep it, all or nothing. Raises TbftError for a full disk."""
    with atomic_file(path, mode=PRIVATE_FILE) as temporary:
        temporary.write_bytes(msgspec.json.encode(memory))
