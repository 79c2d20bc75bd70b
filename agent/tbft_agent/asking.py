"""What people are asked: which images, how many, and until when."""

from __future__ import annotations

from tbft_agent.adapting.lesson import Lesson
from tbft_agent.core import Core
from tbft_agent.states import Event

# Images that are asked about are chosen among so many times as many.
_TO_CHOOSE_FROM = 4
# How long it takes until other images are asked about, where those that were are gone, or show none of the classes.
_ASK_AGAIN_SECONDS = 60.0
_DAY = 24 * 3600.0


def spot_check(core: Core) -> None:
    """Ask a few questions when it is time: that labels mean something else now, no image tells."""
    asking = core.settings.ask
    if asking.every_days and core.age.seconds() - core.memory.checked >= asking.every_days * _DAY:
        ask_a_few(core)


def show_asked(core: Core) -> None:
    """Let people see what there is to ask."""
    asked = core.pupil.asked()
    if asked:
        core.store.ask(asked)
        core.journal.write("asked", f"what {len(asked)} images show, to know whether answers are right")


def ask_a_few(core: Core) -> None:
    """Begin to find some images to ask about, if there are enough of them, and nothing else goes on."""
    count = core.settings.ask.images
    if _is_due(core) and core.unlabelled >= count * _TO_CHOOSE_FROM:
        core.remember(checked=core.age.seconds())
        choose(core, core.lesson(), count)


def lacks_labels(core: Core) -> bool:
    """Whether more labels are needed than there are."""
    there, memory = len(core.labelled()), core.memory
    if memory.asked:
        return there < memory.asked
    if memory.needs_labels or not core.settings.adapt.unverified:
        return there < core.settings.adapt.labels
    return False


def ask(core: Core) -> None:
    """Ask for as many more as are wanted at a time, once there are images to choose from."""
    adapt, images = core.settings.adapt, core.unlabelled
    needed = min(adapt.images, adapt.labels * _TO_CHOOSE_FROM)
    if images < needed:
        core.waits_for = f"{images} of {needed} images to ask about are there"
        return
    if core.pupil.is_busy:  # With questions that it was time for.
        return
    there, wanted = len(core.labelled()), max(core.memory.asked, adapt.labels)
    says = f"somebody has to say what {wanted - there} images show"
    core.happened(Event.LABELS_NEEDED, says, {"asked": wanted}, labels=there, wanted=wanted)
    choose(core, core.lesson(), wanted - there)


def while_asking(core: Core) -> None:
    """Until there are as many labels as were asked for, the drift is gone, or nobody answers for very long."""
    asked = core.pupil.asked()
    if asked is not None:
        core.store.ask(asked)
    if core.memory.cause == "images" and core.watch.sees_none and core.undecided is None:
        core.happened(Event.GONE, "images look as they did before", {"cause": None, "asked": 0})
    elif not lacks_labels(core):
        core.happened(Event.LABELS_THERE, f"{len(core.labelled())} images are labelled")
    elif core.age.seconds() - core.memory.since >= core.settings.keep.days * _DAY:
        core.rest(Event.GONE, "nobody said what they show for so long that the first of them are forgotten")
    else:
        _ask_others(core)


def ask_for_more(core: Core) -> None:
    """After what came to nothing: by and by, for others when all of those that were asked about are answered."""
    if all(kept.label is not None for kept in core.store.asked()):
        _ask_others(core)


def _ask_others(core: Core) -> None:
    """Ask about other images where those that were asked about are removed by now, or too few of them are left."""
    lacking = core.memory.asked - len(core.labelled())
    if not _is_due(core):
        return
    still = sum(kept.label is None for kept in core.store.asked())
    if still < lacking and core.unlabelled > still:
        choose(core, core.lesson(), lacking)


def _is_due(core: Core) -> bool:
    """Whether others may be looked for: nothing goes on, and it is a while since the last were."""
    is_due = core.asked_at is None or core.age.seconds() - core.asked_at >= _ASK_AGAIN_SECONDS
    return is_due and not core.pupil.is_busy


def choose(core: Core, lesson: Lesson, count: int) -> None:
    """Begin to find so many images to ask about; nothing may go on in the background."""
    core.asked_at = core.age.seconds()
    core.pupil.choose(lesson, count)
