"""A model that answers though no label verified it: it is asked about a few images at a time, until labels decide.

A model can be sure and wrong, and pass its probation so.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

import msgspec

from tbft_agent.adapting.energy import Metered
from tbft_agent.adapting.lesson import Candidate
from tbft_agent.adapting.proof import FEWEST, Proof
from tbft_agent.asking import ask_a_few
from tbft_agent.core import Core
from tbft_agent.keeping.record import Kept
from tbft_agent.states import Event
from tbft_agent.versions import BUNDLE, Version
from tbft_artifacts.errors import TbftError


def unverified(core: Core) -> Version | None:
    """The version that answers, if no label says that it is better than the one before, and nobody chose it."""
    number = core.answering.version
    if number in (BUNDLE, core.memory.chosen):
        return None
    version = core.versions.get(number)
    return None if version is None or version.verified else version


def verify(core: Core, version: Version) -> None:
    """Ask about a few images, hold both models against all that were answered, and so on until that decides."""
    found = core.pupil.compared()
    if isinstance(found, TbftError):
        core.journal.write("trouble", f"version {version.number} cannot be held against another: {found.message}")
    elif found is not None:
        _decide(core, version, found)
        return
    if core.pupil.is_busy or _is_asking(core):
        return
    labelled = _labelled(core, version)
    if not _has_news(core, labelled):
        ask_a_few(core)
        return
    core.compared = len(labelled)
    before = core.versions.before(version.number)
    lesson = replace(
        core.lesson(), run=None if before == BUNDLE else core.versions.model(before), proving=labelled, labelled=[]
    )
    core.pupil.compare(lesson, Candidate(core.versions.model(version.number), version.how, Metered()))


def will_be_told(core: Core, version: Version) -> bool:
    """Whether labels are about to say if the model before is the better one: what else they say waits for that."""
    return core.pupil.is_busy or (not _is_asking(core) and _has_news(core, _labelled(core, version)))


def back(core: Core, why: str) -> None:
    """The version before answers again; where it cannot, the one that disappoints answers on."""
    try:
        core.back(Event.WORSE, why)
    except TbftError as error:
        core.rest(Event.WORSE, f"{why}; it answers on, since {error.message}")


def _is_asking(core: Core) -> bool:
    return any(kept.label is None for kept in core.store.asked())


def _labelled(core: Core, version: Version) -> list[Kept]:
    """What people said when they were asked of images that it answered."""
    return [kept for kept in core.labelled() if kept.sampled and kept.version == version.number]


def _has_news(core: Core, labelled: list[Kept]) -> bool:
    return FEWEST <= len(labelled) != core.compared


def _decide(core: Core, version: Version, proof: Proof) -> None:
    right = f"{proof.right_after} of {proof.images} labelled images, and the one before {proof.right_before}"
    if proof.is_worse:
        back(core, f"no label had verified version {version.number}, and it is right on {right}")
    elif proof.is_better:
        with contextlib.suppress(TbftError, OSError):  # On a full disk it is asked about again after a restart.
            core.versions.mark(msgspec.structs.replace(version, verified=True))
        core.journal.write(
            "verified",
            f"version {version.number} is right on {right}",
            version=version.number,
            verified=True,
            **proof.figures(version.how),
        )
