"""What is said of the agent, in one answer: to the page, to `tbft-edge agent status`, and to whoever asks."""

from __future__ import annotations

import msgspec

from tbft_agent.answering import Latency
from tbft_agent.core import Core
from tbft_agent.deciding import may_be_accepted
from tbft_agent.journal import REMEMBERED, Entry
from tbft_agent.keeping.record import Kept
from tbft_agent.states import State
from tbft_agent.verifying import unverified
from tbft_agent.versions import BUNDLE, Version
from tbft_agent.watching.quiet import ENOUGH
from tbft_agent.watching.watch import Window
from tbft_agent.web.judged import Judged, last_judged

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

    `cause` says what is wrong, if something is: the images, the answers, or that it was told to adapt. `waits_for` says
    why nothing is trained, though there is reason or whenever there will be; it is `stuck` where that is since what it
    learned came to nothing. `troubles` are what is wrong with what it works with, such as the camera's folder.
    `labels_wanted` is how many this drift waits for. A new model that somebody may accept (`acceptable`) is on
    probation, for `trial_wanted` images, or waits for more labels; one that answers, and that no label verified, asks
    for some (`verifying`). What windows are usual here is known from `quiet` pairs of them, of `quiet_wanted`.
    """

    state: str
    cause: str | None
    since_seconds: float
    paused: bool
    waits_for: str | None
    stuck: bool
    troubles: tuple[str, ...]
    version: Version
    versions: tuple[Version, ...]
    verifying: bool
    trial_images: int
    trial_wanted: int
    acceptable: bool
    judged: Judged | None
    classes: tuple[str, ...]
    new_classes: tuple[str, ...]
    answered: int
    refused: int
    latency: Latency
    latency_training: Latency
    watches: str
    learning_normal: bool
    windows: tuple[Window, ...]
    quiet: int
    quiet_wanted: int
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
    # Answers wait for the lock, and need not for files.
    entries, versions = core.journal.latest(REMEMBERED), core.versions.all()
    with core.lock:
        memory, answering = core.memory, core.answering
        labelled, classes = core.labelled(), answering.served.classes
        current = core.versions.get(answering.version) or Version(number=BUNDLE)
        return Status(
            state=memory.state.value,
            cause=memory.cause,
            since_seconds=round(core.age.seconds() - memory.since, 1),
            paused=memory.paused,
            waits_for=core.waits_for or core.permission.no_meter,
            stuck=memory.state is State.WATCHING and core.waits_for is not None,
            troubles=tuple(core.troubles.copy().values()),
            version=current,
            versions=tuple(versions),
            verifying=unverified(core) is not None,
            trial_images=memory.trial.images,
            trial_wanted=core.settings.probation.images,
            acceptable=may_be_accepted(core),
            judged=last_judged(entries),
            classes=classes,
            new_classes=tuple(sorted({kept.label for kept in labelled if kept.label} - set(classes))),
            answered=answering.answered,
            refused=answering.refused,
            latency=answering.latency(),
            latency_training=answering.latency(training=True),
            watches="norms of the network" if answering.served.sees_norms else "pixels and confidence",
            learning_normal=core.watch.is_learning,
            windows=tuple(core.watch.windows),
            quiet=len(core.watch.evidence.quiet),
            quiet_wanted=ENOUGH,
            images=core.store.count,
            image_bytes=core.store.bytes,
            labels_there=len(labelled),
            labels_wanted=memory.asked,
            asked=_shown(core.store.asked()),
            recent=_shown(core.store.recent(_RECENT)),
            joules_today=round(memory.joules_today, 1),
            celsius=core.permission.board.celsius(),
            journal=tuple(entries[-_ENTRIES:]),
        )


def _shown(images: list[Kept]) -> tuple[Shown, ...]:
    return tuple(
        Shown(digest=kept.digest, answer=kept.answer, confidence=round(kept.confidence, 4), label=kept.label)
        for kept in images
    )
