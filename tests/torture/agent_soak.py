"""`python -m torture.agent_soak`: two hours of a turned clock and 100,000 images, with a camera that drifts.

Memory and disk have to stay what they were, and every drift has to end in a model that answers by the new images.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.agents import TurnedClock, configured, started
from support.bundles import CLASSES, compiled
from support.forked_command import disk_use
from support.toys import OLD_COLOURS, coloured_squares, png
from tbft_agent.agent import Agent
from tbft_agent.keeping.record import Kept
from tbft_agent.place import Place
from tbft_agent.round import Round
from tbft_runtime.board.machine import resident_memory
from torture.agent_world import drifted
from torture.saying import has_bundles, say

_HOURS = 2
_KINDS = 8
# Of the images of a kind the last so many say how the model does that answers by then.
_JUDGED = 0.2
_MS_PER_IMAGE = 12.6
# What grows with time would grow by more.
_MOST_GROWTH_BYTES, _MOST_DISK_BYTES = 24 << 20, 16 << 20
_KEPT = "400KB"


@dataclass
class Soak:
    """What was seen on the way: of each kind of images the share that was answered rightly in its end."""

    right: list[float] = field(default_factory=list)
    swaps: list[int] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)
    disk: int = 0
    answered: int = 0


def soak(folder: Path, images: int, seed: int) -> Soak:
    """Let so many images come in two hours by the clock that the agent has."""
    found = configured(
        folder,
        compiled("kept"),
        camera={"folder": "camera", "after": "delete"},
        keep={"size": _KEPT},
        watch={"window": 16, "images_per_day": 1_000_000},
    )
    clock, seen = TurnedClock(), Soak()
    (folder / "camera").mkdir(parents=True)
    with Place(found.state).taken():
        rounds = Round(started(found, clock))
        for kind in range(_KINDS):
            _let_come(rounds, clock, seen, kind, images // _KINDS, seed)
        seen.answered = rounds.agent.core.answering.answered
        rounds.agent.close()
    return seen


def _let_come(rounds: Round, clock: TurnedClock, seen: Soak, kind: int, images: int, seed: int) -> None:
    """One kind of images, a few each second."""
    agent, folder = rounds.agent, rounds.agent.core.configured.camera
    assert folder is not None
    per_second = images * _KINDS / (_HOURS * 3600)
    come, seconds = 0, 0
    before, judged_from = agent.core.answering.version, None
    while come < images:
        seconds += 1
        for number in range(come, min(images, int(seconds * per_second))):
            pixels, labels = coloured_squares(4, (seed * 10 + kind) * 1_000_000 + number, colours=OLD_COLOURS)
            # What it shows stands behind the picture's end, where nobody looks: a list of all would grow.
            content = png(drifted(pixels, kind)[number % 4]) + bytes([labels[number % 4]])
            (folder / f"{number:07}.png").write_bytes(content)
            come = number + 1
        clock.turn(1)
        rounds.once()
        if agent.core.pupil.is_busy:
            # A child has its own time, as on a board: a minute of the clock is a second of it.
            time.sleep(1 / 60)
        for kept in agent.core.store.asked():
            if kept.label is None:
                agent.label(kept.digest, _shown(agent, kept))
        if seconds % 60 == 0:
            seen.resident.append(resident_memory())
            seen.disk = max(seen.disk, disk_use(agent.core.place.folder))
        if judged_from is None and come > (1 - _JUDGED) * images:
            judged_from = agent.core.age.seconds()
    while any(folder.iterdir()):
        clock.turn(1)
        rounds.once()
    last = agent.core.store.where("lived > ?", judged_from or 0.0)
    seen.right.append(sum(kept.answer == _shown(agent, kept) for kept in last) / max(1, len(last)))
    seen.swaps.append(agent.core.answering.version - before)
    say(
        f"kind {kind}: version {agent.core.answering.version}, {agent.core.memory.state.value}, {seen.right[-1]:.0%} "
        f"right, {resident_memory() / 1e6:.0f} MB of memory, {seen.disk / 1e6:.1f} MB of disk at most"
    )


def _shown(agent: Agent, kept: Kept) -> str:
    return CLASSES[agent.core.store.path(kept).read_bytes()[-1]]


def problems(seen: Soak, images: int) -> list[str]:
    """What is not as it should be."""
    found = []
    if seen.answered != images // _KINDS * _KINDS:
        found.append(f"{seen.answered} of {images} images were answered")
    # From the first kind of drift on everything that is loaded once is there.
    begin, end = max(seen.resident[: len(seen.resident) // 4]), max(seen.resident[-len(seen.resident) // 4 :])
    if end - begin > _MOST_GROWTH_BYTES:
        found.append(f"memory grew from {begin / 1e6:.0f} to {end / 1e6:.0f} MB")
    if seen.disk > _MOST_DISK_BYTES:
        found.append(f"{seen.disk / 1e6:.1f} MB of disk were used")
    missed = [kind for kind, swaps in enumerate(seen.swaps) if kind and swaps < 1]
    if missed:
        found.append(f"no model was swapped in kinds {missed}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if nothing grew, and no swap was missed."""
    parser = argparse.ArgumentParser("python -m torture.agent_soak", description=__doc__)
    parser.add_argument("--images", type=int, default=100_000, help="how many; default: 100000")
    parser.add_argument("--seed", type=int, default=0, help="decides the pictures; default: 0")
    asked = parser.parse_args(arguments)
    if not has_bundles():
        return 2
    say(f"{asked.images:,} images in {_HOURS} turned hours: {asked.images * _MS_PER_IMAGE / 60e3:.0f} minutes")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tbft-edge-soak-") as scratch:
        seen = soak(Path(scratch) / "world", asked.images, asked.seed)
    first, middle, last = (seen.resident[at] for at in (0, len(seen.resident) // 2, -1))
    say(f"memory: {first / 1e6:.0f} MB at first, {middle / 1e6:.0f} in the middle, {last / 1e6:.0f} at the end")
    say(f"disk: {seen.disk / 1e6:.1f} MB at most; swaps: {seen.swaps}; {time.monotonic() - began:.0f} s")
    found = problems(seen, asked.images)
    for problem in found:
        say(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
