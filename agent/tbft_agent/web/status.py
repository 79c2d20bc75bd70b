"""What is said of the agent, in one answer: to the page, to `tbft-edge agent status`, and to whoever asks."""

from __future__ import annotations

import msgspec

from tbft_agent.answering import Latency
from tbft_agent.core import Core
from tbft_agent.journal import Entry
from tbft_agent.keeping.record import Kept
from tbft_agent.versions import BUNDLE, Version
from tbft_agent.watching.watch import Window

_ENTRIES = 50
_RECENT = 12


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An image that the page shows."""

    digest: str
    answer: str
    confidence: float
    label: str | None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the agent is.

    `waits_for` says why nothing is trained though there is reason; `labels_wanted` is how many this drift waits for.
    """

    state: str
    since_seconds: float
    paused: bool
    waits_for: str | None
    version: Version
    versions: tuple[Version, ...]
    classes: tuple[str, ...]
    answered: int
    refused: int
    latency: Latency
    watches: str
    learning_normal: bool
    windows: tuple[Window, ...]
    images: int
    image_bytes: int
    labels_there: int
    labels_wanted: int
    asked: tuple[Shown, ...]
    recent: tuple[Shown, ...]
    joules_today: float
    celsius: float | None
    journal: tuple[Entry, ...]


def status_of(core: Core) -> Status:
    """As it is now."""
    with core.lock:
        memory, answering, board = core.memory, core.answering, core.board.look()
        current = core.versions.get(answering.version) or Version(number=BUNDLE)
        return Status(
            state=memory.state.value,
            since_seconds=round(core.age.seconds() - memory.since, 1),
            paused=memory.paused,
            waits_for=core.waits_for,
            version=current,
            versions=tuple(core.versions.all()),
            classes=answering.served.classes,
            answered=answering.answered,
            refused=answering.refused,
            latency=answering.latency(),
            watches="norms of the network" if answering.served.sees_norms else "pixels and confidence",
            learning_normal=core.watch.is_learning,
            windows=tuple(core.watch.windows),
            images=core.store.count,
            image_bytes=core.store.bytes,
            labels_there=len(core.labelled()),
            labels_wanted=memory.asked,
            asked=_shown(core.store.asked()),
            recent=_shown(core.store.recent(_RECENT)),
            joules_today=round(memory.joules_today, 1),
            celsius=board.celsius,
            journal=tuple(core.journal.latest(_ENTRIES)),
        )


def _shown(images: list[Kept]) -> tuple[Shown, ...]:
    return tuple(
        Shown(digest=kept.digest, answer=kept.answer, confidence=round(kept.confidence, 4), label=kept.label)
        for kept in images
    )
