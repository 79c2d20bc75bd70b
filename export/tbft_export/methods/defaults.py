"""What a drift calls for where the user does not say: batch norms and learning rate."""

from __future__ import annotations

from tbft_artifacts.plan import BatchNormPolicy, Drift, OptimizerKind

# Batch statistics are worth 1 to 20 points of accuracy where convolutions are trained. Behind the
# boundary alone they leave the activations before it cacheable; a head has no norm, and what is before
# it has to hold still where labels changed (6 points).
DEFAULT_POLICY: dict[Drift, BatchNormPolicy] = {
    "input": "batch",
    "full": "batch",
    "feature": "block",
    "output": "frozen",
}

# Measured with ResNet-26, 1,000 images, batches of 32. A head alone takes large steps: after flipped labels
# 81.5 % at 0.03 and at 0.1, with noise before it 77.9 % at 0.1 and 58.1 % at 0.01.
_HEAD: dict[OptimizerKind, float] = {"sgd": 0.1, "adam": 0.01, "adamw": 0.01}
# Those are of 64 features. What a step of SGD changes in a logit grows with their number: a new head of
# EfficientNet-Lite0, 1,280 features, learns nothing at 0.1 and 0.03, and is right on 74.7 % at 0.01, 76.9 % at 0.003.
_FEATURES = 64
# With batch statistics. First stage, at 0.001, 0.003 and 0.01: contrast 76.4, 74.8 and 68.0 %, Gaussian noise
# 68.5, 69.9 and 65.3 %. Behind the front more is better: unseen subclasses, third stage, 82.3 % at 0.003 and
# 83.7 % at 0.01; noise on the second stage, which is trained, 53.5 and 57.4 %. Everything has some of both.
_BATCH_STATISTICS: dict[Drift, float] = {"input": 0.001, "feature": 0.01, "full": 0.002}
# Nothing normalises again what a step made too large: at 0.01 training diverges.
_FIXED_STATISTICS = 0.001
_ADAM = 0.001


def default_learning_rate(
    kind: OptimizerKind, drift: Drift, policy: BatchNormPolicy, features: int = _FEATURES
) -> float:
    """The learning rate that a plan for `drift` begins with; the head reads so many `features`."""
    if drift == "output":
        return _HEAD[kind] * (min(1.0, _FEATURES / features) if kind == "sgd" else 1.0)
    if policy not in ("batch", "block"):
        return _FIXED_STATISTICS if kind == "sgd" else _ADAM
    return _BATCH_STATISTICS[drift] if kind == "sgd" else _ADAM
