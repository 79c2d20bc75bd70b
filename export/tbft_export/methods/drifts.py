"""What each type of drift calls for: the blocks to train, and, where the user does not say, batch norms and rates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tbft_artifacts.plan import BatchNormPolicy, Drift, OptimizerKind
from tbft_export.blocks.find import Blocks

# Measured with ResNet-26, 1,000 images, batches of 32. A head alone takes large steps: after flipped labels
# 81.5 % at 0.03 and at 0.1, with noise before it 77.9 % at 0.1 and 58.1 % at 0.01.
_HEAD: dict[OptimizerKind, float] = {"sgd": 0.1, "adam": 0.01, "adamw": 0.01}
# Those are of 64 features. What a step of SGD changes in a logit grows with their number: a new head of
# EfficientNet-Lite0, 1,280 features, learns nothing at 0.1 and 0.03, and is right on 74.7 % at 0.01, 76.9 % at 0.003.
_FEATURES = 64
# Nothing normalises again what a step made too large: at 0.01 training diverges.
_FIXED_STATISTICS = 0.001
# Blocks that the name of a plan lists; of more it has two.
MOST_NAMED = 3
# Bytes of that name: with what else is in an id, a folder can be named so.
LONGEST_WORD = 200
_ADAM = 0.001


@dataclass(frozen=True)
class Answer:
    """What one type of drift calls for.

    `blocks` are trained, none where a network has no such part; `others` are further ones that are worth a plan each
    where nobody knows which of them drifted. `policy` is that of batch norms; batch statistics are worth 1 to 20
    points of accuracy where convolutions are trained. `rate` is the learning rate of SGD with them, "head" that of a
    head, which has no norm. `has_prefix`: training begins behind the input, so that what is before may be quantised.
    """

    blocks: Callable[[Blocks], tuple[str, ...]]
    policy: BatchNormPolicy
    rate: float | Literal["head"]
    has_prefix: bool
    others: Callable[[Blocks], tuple[tuple[str, ...], ...]] = lambda _: ()


# From the input to the output, then everything. Drift at the input is undone where the input enters, drift of
# features where features are made, drift of the output in the head (EuroMLSys 2024, arXiv 2403.15905, section 3).
# Rates of the first stage, at 0.001, 0.003 and 0.01: contrast 76.4, 74.8 and 68.0 %, Gaussian noise 68.5, 69.9 and
# 65.3 %. Behind the front more is better: unseen subclasses, third stage, 82.3 % at 0.003 and 83.7 % at 0.01; noise on
# the second stage, which is trained, 53.5 and 57.4 %. Everything has some of both.
ANSWERS: dict[Drift, Answer] = {
    "input": Answer(lambda network: network.front, "batch", 0.001, has_prefix=False),
    # Statistics behind the boundary alone leave the activations before it cacheable. Each stage behind the front is a
    # target; which one is best depends on the drift.
    "feature": Answer(
        lambda network: network.stages[-1] if network.stages else (),
        "block",
        0.01,
        has_prefix=True,
        others=lambda network: network.stages[1:-1],
    ),
    # What is before the head has to hold still where labels changed (6 points).
    "output": Answer(lambda network: network.rear, "frozen", "head", has_prefix=True),
    "full": Answer(lambda network: network.names, "batch", 0.002, has_prefix=False),
}


@dataclass(frozen=True)
class Target:
    """What one plan trains, and for which drift. `is_usual`: what the drift calls for if no block is named."""

    drift: Drift
    blocks: tuple[str, ...]
    is_usual: bool = True

    @property
    def name(self) -> str:
        """The blocks in one word, which names a folder: of numbered siblings the first and the last number
        (`features.4-6`), of many others the first and the last.
        """
        parents = {block.rpartition(".")[0] for block in self.blocks}
        last = self.blocks[-1].rpartition(".")[2]
        if len(self.blocks) > 1 and len(parents) == 1 and last.isdecimal():
            return _word(self.blocks[0], last)
        return _word(*(self.blocks if len(self.blocks) <= MOST_NAMED else (self.blocks[0], self.blocks[-1])))


def _word(*names: str) -> str:
    """Files of TensorFlow separate modules by slashes. A long one lacks its middle."""
    word = "-".join(names).replace("/", ".").replace("\\", ".")
    encoded, half = word.encode(), LONGEST_WORD // 2
    if len(encoded) <= LONGEST_WORD:
        return word
    # A character that is cut in two is left out.
    return "...".join(part.decode(errors="ignore") for part in (encoded[:half], encoded[-half:]))


def usual_target(network: Blocks, drift: Drift) -> Target:
    """What `drift` calls for."""
    return Target(drift, ANSWERS[drift].blocks(network))


def targets(network: Blocks) -> tuple[Target, ...]:
    """Every part that is worth training, from the input to the output, then everything."""
    return tuple(
        target
        for drift, answer in ANSWERS.items()
        for target in (
            *(Target(drift, blocks, is_usual=False) for blocks in answer.others(network)),
            usual_target(network, drift),
        )
        if target.blocks
    )


def default_learning_rate(
    kind: OptimizerKind, drift: Drift, policy: BatchNormPolicy, features: int = _FEATURES
) -> float:
    """The learning rate that a plan for `drift` begins with; the head reads so many `features`."""
    rate = ANSWERS[drift].rate
    if rate == "head":
        return _HEAD[kind] * (min(1.0, _FEATURES / features) if kind == "sgd" else 1.0)
    if policy not in ("batch", "block"):
        return _FIXED_STATISTICS if kind == "sgd" else _ADAM
    return rate if kind == "sgd" else _ADAM
