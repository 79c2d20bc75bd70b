"""How far a run without labels may go: what blended statistics do to the answers says so, if anything does.

No rule of this kind is safe in general (Zhao et al., "On Pitfalls of Test-Time Adaptation", ICML 2023, arXiv
2306.03536): labelled images to check by are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tbft_artifacts.preprocessing import Noun
from tbft_runtime.run.unlabelled_record import Decision, Sureness

# Answers of fewer classes than this part of all: diversity would drive apart what is of one class. Of a pool of all ten
# classes the answers of a ResNet-26 with the surest statistics were of 8.9 classes or more, under each of 15 drifts at
# severities 3 and 5. Of pools of three classes they are of fewer, but where noise makes answers wrong at random.
FEWEST = 0.88
# Statistics of few classes can make answers a little surer, and fewer of them right: where answers are of few classes,
# mean entropy has to fall by this part of log C. Where it fell by less, 5 of 38 pools of three classes lost up to 11
# points.
CLEARLY = 0.05
# Or by this part where answers are of so many classes: of a pool of all ten under pixelate those that were surest by a
# hair were of 7.7, and those with more of the images' statistics of 9.8.
SOMEWHAT, MANY = 0.02, 0.9
# For each class. 64 images of ten classes under contrast taught a ResNet-26 to be 14 points worse than with statistics
# alone, 100 under noise and fog 2 to 4, and 250 to be better.
FEWEST_IMAGES = 20
# Noise makes a network sure of one class, whatever it sees: such answers told images apart by 21 to 35 % of what the
# best did, and those of a network that saw two or three classes only by 49 % or more.
TELLING = 0.4


def telling(found: Mapping[float, Sureness]) -> list[float]:
    """Shares with which answers tell images apart: mutual information of image and answer, H(mean) - mean(H), in nats.

    Sure answers that are all the same have none.
    """
    # Of answers that are all the same it is 0, but for rounding.
    information = {share: max(0.0, math.log(answers.classes) - answers.entropy) for share, answers in found.items()}
    most = max(information.values())
    return [share for share, some in information.items() if some >= TELLING * most]


def choose(found: Mapping[float, Sureness], classes: int) -> float:
    """The share whose answers are surest of those that tell images apart, of a network with `classes` classes.

    Where these are of few classes and hardly surer than with the network's own statistics, those of many classes have
    to be somewhat surer; else its own, share 1, stay.
    """
    believed = telling(found)
    best = _surest(found, believed)
    if not _are_few(found[best], classes) or _gained(found, best, classes) >= CLEARLY:
        return best
    best = _surest(found, [share for share in believed if found[share].classes >= MANY * classes] or [1.0])
    return best if _gained(found, best, classes) >= SOMEWHAT else 1.0


def decide(share: float, answers: Sureness, classes: int, images: int, noun: Noun) -> tuple[Decision, str]:
    """What may be done, and why it is not more: of a network with `classes` classes, on `images`, each a `noun`.

    `share` is which part of the statistics is its own, as chosen, and `answers` are those with it.
    """
    if share == 1:
        return "keep", (
            f"no other statistics make answers clearly surer than those that the network came with: the {noun}s are "
            "like those of its training, or of few classes"
        )
    if _are_few(answers, classes):
        return "statistics", (
            f"answers are of about {answers.classes:.1f} of {classes} classes, and training without labels would drive "
            f"apart what is of one class; collect {noun}s of more classes"
        )
    if images < FEWEST_IMAGES * classes:
        return "statistics", (
            f"{images:,} {noun}s of {classes:,} classes are too few to train on without labels; "
            f"{FEWEST_IMAGES} for each class are enough"
        )
    return "train", ""


def _are_few(answers: Sureness, classes: int) -> bool:
    return answers.classes < FEWEST * classes


def _surest(found: Mapping[float, Sureness], shares: Sequence[float]) -> float:
    return min(shares, key=lambda share: found[share].entropy)


def _gained(found: Mapping[float, Sureness], share: float, classes: int) -> float:
    """By which part of log C answers are surer than with the network's own statistics."""
    return (found[1.0].entropy - found[share].entropy) / math.log(classes)
