"""The rule: from what drifted to the way of adapting that is right for it, and how many labels that takes.

Its numbers of labels are those of docs/results/how-many-labels.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_artifacts.preprocessing import Noun
from tbft_runtime.diagnosis.decide import DOUBT, SURE, moved
from tbft_runtime.heads.head_plan import head_plan
from tbft_runtime.run.diagnosis_record import Advice, LabelEvidence, NormShift, Way
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve

# A labelled image teaches as much as so many without a label: 1,000 were worth 250 where the input drifted, else 100.
WORTH, WORTH_OF_FEATURES = 4, 10
# Each label more is worth it, up to the most that was measured, where what the network sees has to be learned anew.
MOST = 100
# A last layer in closed form has nearly all of what it can have from so many of each class; from so many on it is made
# of the images alone, and not of rows of the old one, which say nothing where nobody trained that.
HEAD = 10
# They tell differences of ten points between states of a run without labels; of fewer, one label is two points.
CHECKS = 50
# They are not trained on: so many times as many images have to be left for that.
LEFT = 4
# Where the model is right, images from elsewhere may shift statistics by so many standard deviations: photos of another
# camera did by 0.45.
FAINT = 0.5
# Where no label tells that, by so many: photos like those of the training did by 0.14, the mildest damage by 0.35.
UNSEEN = 0.2

# The way, how many labels of each class are worth getting for it, and why.
_Choice = tuple[Way, int, tuple[str, ...]]


@dataclass(frozen=True)
class AtHand:
    """How many `images` there are, how many of them have a label, and whether `labels` were looked at."""

    images: int
    labelled: int
    labels: bool = True


def advise(
    bundle: Bundle, plan: Plan, norms: Sequence[NormShift], labels: LabelEvidence | None, at_hand: AtHand
) -> Advice:
    """What to do where `plan` of the bundle trains the block that drifted, by the evidence that says so.

    A way that the bundle cannot go is never advised: training on labels is what is left.
    """
    check = CHECKS if at_hand.labelled >= CHECKS and at_hand.images >= (1 + LEFT) * CHECKS else 0
    if bundle.head_is_fresh:
        way, worth, reasons = _of_the_head(bundle, "a last layer that knows these classes comes first")
    elif _is_in_order(norms, labels, at_hand):
        way, worth, reasons = "nothing", 0, _why_nothing(labels, bundle.manifest.noun)
    elif plan.drift == "output":
        way, worth, reasons = _of_the_head(bundle, "features are in order, and answers mean something else")
    else:
        way, worth, reasons = _of_what_is_seen(bundle, plan, at_hand, check)
    return Advice(
        way=way,
        labels=worth,
        at_hand=at_hand.labelled // len(bundle.manifest.classes),
        check=check if way == "unlabelled" else 0,
        reasons=reasons,
    )


def _of_what_is_seen(bundle: Bundle, plan: Plan, at_hand: AtHand, check: int) -> _Choice:
    """Without labels where that teaches more, and where it is sound: the input drifted, or labels check."""
    noun, images, labelled = bundle.manifest.noun, at_hand.images, at_hand.labelled
    worth = WORTH if plan.drift == "input" else WORTH_OF_FEATURES
    if plan.drift != "input" and not check:
        return "train", MOST, ("things look otherwise than the network ever saw, and only labels say what they are",)
    if (obstacle := _why_not_without(bundle, plan)) is not None:
        return "train", MOST, (f"without labels it cannot be: {obstacle}",)
    if images < worth * labelled:
        fewer = f"a labelled {noun} teaches as much as {worth} without a label, of which there are fewer"
        return "train", MOST, (fewer,)
    why = f"{images:,} {noun}s without labels teach as much as {images // worth:,} with theirs"
    told = f", and only {labelled:,} have one" if labelled else ""
    checked = (f"{check} of these can decide what is kept of it",) if check else ()
    return "unlabelled", 0, (f"{why}{told}", *checked)


def _of_the_head(bundle: Bundle, why: str) -> _Choice:
    """In closed form where the bundle allows that."""
    try:
        head_plan(bundle)
    except TbftError as error:
        return "train", MOST, (why, f"a head in closed form cannot be: {error.message}")
    return "learn", HEAD, (f"{why}: a head in closed form has that from few labels, in one pass",)


def _why_not_without(bundle: Bundle, plan: Plan) -> str | None:
    """What keeps the plan from being trained without labels, and with statistics of the images; None if nothing."""
    try:
        settings = resolve(TrainOptions(data="", out="", labels="none"), plan, bundle)
    except TbftError as error:
        return error.message
    if not bundle.manifest.batch_norms:
        return "the network has no batch norms, whose statistics that begins by"
    return None if settings.reestimates else f"plan '{plan.id}' keeps statistics of batch norms as they are"


def _is_in_order(norms: Sequence[NormShift], labels: LabelEvidence | None, at_hand: AtHand) -> bool:
    """Whether nothing says that something drifted; without evidence of labels that are there nobody knows."""
    shift = max((norm.shift for norm in moved(norms)), default=0.0)
    if labels is None:
        return not at_hand.labels and shift < UNSEEN
    return labels.is_as_sure_as_right and labels.gain < SURE and labels.scatter < DOUBT and shift < FAINT


def _why_nothing(labels: LabelEvidence | None, noun: Noun) -> tuple[str, ...]:
    if labels is None:
        return (f"these are like what the network was trained on; whether they are called so no {noun} says",)
    return ("the model is as often right as it is sure of itself, and no other head would be better",)
