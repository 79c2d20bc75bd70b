"""What becomes of a candidate, by what labels say of it, and by what it forgot."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import Any

from tbft_agent.adapting.lesson import Means
from tbft_agent.adapting.proof import Proof
from tbft_agent.asking import choose
from tbft_agent.core import Core
from tbft_agent.memory import Trial
from tbft_agent.pupil import Proven
from tbft_agent.settings import Adapting
from tbft_agent.states import Event
from tbft_agent.trying import Why
from tbft_agent.versions import Version
from tbft_artifacts.errors import TbftError


class Verdict(StrEnum):
    """What a proof comes to."""

    VERIFIED = "labels say that it is better"
    UNVERIFIED = "labels say nothing, and whoever installed the agent allows that"
    UNDECIDED = "labels are too few to tell whether it is better"
    NO_BETTER = "it is no better by more than chance"
    FORGETS = "it forgets too much"


def verdict(proof: Proof, means: Means, adapt: Adapting) -> Verdict:
    """By labels, if it forgets no more than it may."""
    if proof.forgets_more(adapt.most_forgotten):
        return Verdict.FORGETS
    if proof.is_better:
        return Verdict.VERIFIED
    if not proof.decides and adapt.unverified and means == "without labels":
        return Verdict.UNVERIFIED
    if not proof.decides or proof.right_after > proof.right_before:
        return Verdict.UNDECIDED
    return Verdict.NO_BETTER


def judge(core: Core, proven: Proven) -> None:
    """Swap, ask for more labels, try it with labels, or leave it."""
    proof, adapt = proven.proof, core.settings.adapt
    core.remember(cut=0)
    found = verdict(proof, proven.lesson.means, adapt)
    if found in (Verdict.VERIFIED, Verdict.UNVERIFIED):
        swap(core, proven, Event.BETTER, verified=found is Verdict.VERIFIED)
    elif found is Verdict.UNDECIDED:
        core.undecided = proven
        wanted = len(core.labelled()) + adapt.labels
        core.happened(Event.UNDECIDED, found.value, {"asked": wanted}, **_figures(proven))
        choose(core, core.lesson(), adapt.labels)
    else:
        went_back = proof.forgotten is not None and proof.forgotten.share < 1
        why = Why.FORGETS if found is Verdict.FORGETS or went_back else Why.NO_BETTER
        _is_not_used(core, proven, why)


def tried_with_labels(core: Core) -> bool:
    """Whether all that labels could do in this drift was tried, and there are hardly any new ones."""
    tried = core.memory.tried
    is_same = tried.with_labels and tried.episode == core.memory.episode and tried.why is not Why.BOARD
    return is_same and not core.has_new_labels


def _is_not_used(core: Core, proven: Proven, why: Why) -> None:
    """Labels may do what images alone do not."""
    means, says = proven.lesson.means, "it is no better by more than chance"
    lost = proven.proof.forgotten
    if why is Why.FORGETS and lost is not None:
        points, most = (lost.before - lost.trained) * 100, core.settings.adapt.most_forgotten
        says = f"it forgets {points:.1f} points of what it knew, and {most:g} are allowed"
        if lost.share < 1:
            says += "; what forgets less is no better by more than chance"
    says = f"what it learned {means} is not used: {says}"
    if core.memory.needs_labels or tried_with_labels(core):
        core.rest(Event.NO_BETTER, says, why, **_figures(proven))
    else:
        core.happened(Event.NO_BETTER, says, **_figures(proven))
        core.happened(Event.TOLD, "it is tried with labels", {"needs_labels": True})


def _figures(proven: Proven) -> dict[str, Any]:
    return {**proven.proof.figures(proven.candidate.how), "joules": proven.candidate.metered.joules}


def swap(core: Core, proven: Proven, event: Event, *, verified: bool) -> None:
    """The candidate becomes a version, answers, and is on probation."""
    number, before = core.versions.next_number(), core.answering.version
    version = Version(
        number=number,
        before=before,
        how=proven.candidate.how,
        made_at=core.clock.now().isoformat(timespec="seconds"),
        verified=verified,
        confidence=proven.confidence,
        renamed=proven.candidate.renames or proven.lesson.renamed,
    )
    core.versions.keep(proven.candidate.run, version)
    if proven.normal is not None:
        proven.normal.write(core.versions.normal(number))
    core.versions.activate(number)
    core.take_over(proven.served, number, proven.normal)
    core.undecided = None
    note = ""
    if proven.candidate.renames and proven.proof.forgotten is not None:
        note = "; what source images show is called otherwise now, so that what it forgets of them does not count"
    told = "" if verified else ", as somebody wants" if event is Event.ACCEPTED else ", which no label verified"
    core.happened(
        event,
        f"version {number} answers: {proven.candidate.how}{told}{note}",
        {"trial": Trial(promised=proven.confidence), "cause": None, "needs_labels": False, "asked": 0}
        | ({"chosen": number} if event is Event.ACCEPTED else {}),
        version=number,
        verified=verified,
        **_figures(proven),
    )
    core.versions.prune()
    core.place.clear_work()
    with contextlib.suppress(TbftError):
        core.store.ask([])
