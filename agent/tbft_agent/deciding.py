"""What the agent decides in each state, from what it sees."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from tbft_agent.adapting.child import BoardError
from tbft_agent.adapting.lesson import HeldBackError
from tbft_agent.asking import ask, ask_for_more, lacks_labels, show_asked, spot_check, while_asking
from tbft_agent.core import Core
from tbft_agent.judging import judge, swap, tried_with_labels
from tbft_agent.keeping.record import Kept
from tbft_agent.keeping.store import LEAST_FREE
from tbft_agent.pupil import Proven
from tbft_agent.states import Event, State, following
from tbft_agent.trying import Why
from tbft_agent.verifying import back, unverified, verify, will_be_told
from tbft_agent.watching.wrong import are_wrong
from tbft_artifacts.errors import TbftError

# Labels from long ago say nothing of answers now.
_LATEST_LABELS = 24
_NO_LABELS_HELP = "means without labels came to nothing: "


def decide(core: Core) -> None:
    """Look at what there is, once."""
    _DECISIONS[core.memory.state](core)


def may_be_accepted(core: Core) -> bool:
    """Whether there is a model on probation, or a candidate that labels did not decide on."""
    can = following(core.memory.state, Event.ACCEPTED) is not None
    return can and (core.memory.state is State.PROBATION or core.undecided is not None)


def accept(core: Core) -> bool:
    """A person ends the probation, or lets a candidate answer, on probation, that labels did not decide on.

    Nothing may go on in the background: images to ask about are looked for, which nobody needs any more. False where
    there is neither. Raises TbftError if the candidate cannot be kept.
    """
    if not may_be_accepted(core):
        return False
    proven = core.undecided
    if proven is None or core.memory.state is State.PROBATION:
        kept = core.answering.version
        return core.happened(Event.ACCEPTED, f"somebody keeps version {kept}", {"chosen": kept})
    try:
        swap(core, proven, Event.ACCEPTED, verified=False)
    except OSError as error:
        raise TbftError(f"the candidate cannot be kept: {error}", "free some space") from error
    return True


def _watching(core: Core) -> None:
    show_asked(core)
    if core.watch.sees_none and core.memory.unresolved:
        # What labels said of it they do not say of images now.
        core.remember(unresolved=False, asked=0, episode=core.memory.episode + 1)
    version, wrong = unverified(core), _wrong_answers(core.labelled())
    why_not, is_known = core.why_not_again, _is_known(core)
    core.waits_for = why_not if is_known or wrong is not None else None
    if version is not None:
        verify(core, version)
    elif core.waits_for is not None and core.memory.tried.labels_help:
        ask_for_more(core)
    else:
        spot_check(core)
    if core.age.seconds() < core.memory.rests_until:
        return
    if core.watch.sees_drift and not (is_known and why_not is not None):
        window = core.watch.windows[-1]
        says = "images look otherwise than those that the model knows"
        seen = {"distance": window.distance, "limit": window.limit, "confidence": window.confidence}
        _drifted(core, Event.DRIFT, says, {"cause": "images", "needs_labels": is_known and _goes_on(core)}, seen)
    elif (version is not None and will_be_told(core, version)) or why_not is not None:
        return
    elif wrong is not None:
        mistaken = [kept.digest for kept in core.labelled()[-_LATEST_LABELS:] if kept.label != kept.answer]
        _drifted(core, Event.WRONG, wrong, {"cause": "answers", "needs_labels": True}, {})
        core.store.move(mistaken, core.memory.episode)


def _is_known(core: Core) -> bool:
    """Whether a drift that is seen now is the one that something came to nothing in."""
    return core.memory.unresolved and core.memory.tried.episode == core.memory.episode


def _goes_on(core: Core) -> bool:
    """Whether it is labels by which what came to nothing is tried again: without them it came to that before."""
    tried = core.memory.tried
    return tried.with_labels and (tried.why is Why.BOARD or core.has_new_labels)


def _drifted(core: Core, event: Event, says: str, remember: dict[str, Any], figures: dict[str, Any]) -> None:
    """From now on images, or what they mean, are others than those before, unless it is a drift that was left."""
    is_known = event is Event.DRIFT and core.memory.unresolved
    episode = core.memory.episode + (not is_known)
    core.happened(event, says, remember | {"episode": episode, "asked": 0}, **figures)


def _while_drifted(core: Core) -> None:
    if core.memory.cause == "images" and core.watch.sees_none and core.undecided is None:
        core.happened(Event.GONE, "images look as they did before", {"cause": None, "needs_labels": False})
        return
    if lacks_labels(core):
        ask(core)
        return
    core.waits_for = _missing(core)
    if core.waits_for is None and not core.pupil.is_busy:
        lesson = core.lesson()
        known, core.undecided, core.trained = core.undecided, None, False
        images = len(lesson.pool) + len(lesson.labelled)
        says = f"training begins, {lesson.means}" if known is None else "the candidate is held against more labels"
        begun = {"begun": core.age.seconds()}
        core.happened(Event.BEGIN, says, begun, images=images, labels=len(lesson.labelled), proving=len(lesson.proving))
        core.pupil.learn(lesson, None if known is None else known.candidate)


def _missing(core: Core) -> str | None:
    """What training waits for; None if for nothing."""
    adapt = core.settings.adapt
    if core.memory.paused:
        return "somebody paused it"
    images = core.unlabelled
    if not core.memory.needs_labels and images < adapt.images:
        return f"{images} of {adapt.images} images are there{_no_room_for(core, adapt.images)}"
    free = core.place.free_bytes
    if free is not None and free < LEAST_FREE:
        return f"{free / 1e6:.0f} MB of the disk are free, and {LEAST_FREE / 1e6:.0f} are left to others"
    return core.permission.why_not(core.memory.joules_today)


def _no_room_for(core: Core, images: int) -> str:
    """That there never will be so many, in words; empty if there may."""
    count, most = core.store.count, core.settings.keep.bytes
    room = most * count // core.store.bytes if count else images
    return f", and `keep.size` has room for {room}" if room < images else ""


def _while_adapting(core: Core) -> None:
    if core.trained:
        core.happened(Event.TRAINED, "a candidate is there")
    else:
        _came_to_nothing(core, core.pupil.result())


def _while_proving(core: Core) -> None:
    result = core.pupil.result()
    if isinstance(result, Proven):
        _decide_on(core, result)
    else:
        _came_to_nothing(core, result)


def _decide_on(core: Core, proven: Proven) -> None:
    try:
        judge(core, proven)
    except (TbftError, OSError) as error:
        words = error.message if isinstance(error, TbftError) else str(error)
        core.rest(Event.FAILED, f"the candidate cannot be kept: {words}", Why.BOARD)


def _came_to_nothing(core: Core, result: Proven | TbftError | HeldBackError | None) -> None:
    if result is None:
        if not core.pupil.is_busy:  # It was stopped.
            core.rest(Event.FAILED, "training was stopped")
        return
    if isinstance(result, Proven):  # It was trained and proven between two looks.
        core.happened(Event.TRAINED, "a candidate is there")
        _decide_on(core, result)
        return
    words = result.message if isinstance(result, TbftError) else str(result)
    if not core.memory.needs_labels and not isinstance(result, BoardError) and not tried_with_labels(core):
        # Labels may do what images alone do not.
        core.happened(Event.FAILED, _NO_LABELS_HELP + words)
        core.happened(Event.TOLD, "it is tried with labels", {"needs_labels": True, "asked": 0})
        return
    core.rest(Event.FAILED, f"training failed: {words}", Why.BOARD if isinstance(result, BoardError) else Why.FAILED)


def _while_probation(core: Core) -> None:
    trial, probation = core.memory.trial, core.settings.probation
    show_asked(core)
    version = unverified(core)
    wrong = _wrong_answers([kept for kept in core.labelled() if kept.version == core.answering.version])
    if wrong is not None:
        back(core, wrong)
    elif trial.mean is not None and trial.images >= probation.images:
        if trial.promised is not None and trial.mean < trial.promised - probation.less_sure:
            back(core, f"it is {trial.mean:.0%} sure on average, and was {trial.promised:.0%}")
        else:
            told = "" if version is None else ", as far as images tell; no label verified it yet"
            says = f"the new model does what was promised of it{told}"
            core.happened(Event.PASSED, says, confidence=trial.mean)
    elif version is not None:
        verify(core, version)


def _wrong_answers(labelled: list[Kept]) -> str | None:
    """That they are wrong more often than such answers should be, in words; None if they are not.

    Only images that were asked for count.
    """
    labelled = [kept for kept in labelled if kept.sampled][-_LATEST_LABELS:]
    if not labelled:
        return None
    right = sum(kept.label == kept.answer for kept in labelled)
    if not are_wrong(right, len(labelled), sum(kept.confidence for kept in labelled) / len(labelled)):
        return None
    return f"{right} of {len(labelled)} labelled images were answered rightly"


_DECISIONS: MappingProxyType[State, Callable[[Core], None]] = MappingProxyType(
    {
        State.WATCHING: _watching,
        State.DRIFTED: _while_drifted,
        State.ASKING: while_asking,
        State.ADAPTING: _while_adapting,
        State.PROVING: _while_proving,
        State.PROBATION: _while_probation,
    }
)
