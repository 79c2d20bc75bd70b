"""How far two computations of one train step are apart, and how far they may be."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from tbft_artifacts.names import LOSS

# In float64 two ways to compute a gradient part by 1e-16, times what the network makes of it; constants that a graph
# keeps as float32 make it 1e-8 times that. A wrong formula is off by far more.
FORMULA = 1e-6
# A gradient is not asked to be nearer than that part of the largest one: the rest of a sum that cancels out, of terms
# that a float32 constant makes, such as the ninth of an average pool, has the rounding of its terms.
SMALL = 1e-3
# ONNX Runtime may lose so many times as much as PyTorch's float32 does, which sums in another order; and always this
# part of a tensor, and of the largest gradient of all.
TIMES = 10.0
PART = 1e-4
OF_LARGEST = 1e-5
# Gradients below this part of the largest one are zero: what is left of them is float64's rounding.
ZERO = 1e-11
# Far below what float32 tells apart, and far above the rounding of float64: what lies so near a kink lies on it.
KINK = 1e-12

Values = Mapping[str, np.ndarray]


class Answers(NamedTuple):
    """What a train step gives, each part by name; only what is in one part is compared with each other.

    `averages` are those that batch norms move: means over the norm's largest standard deviation, variances over the
    largest variance, since a mean may be zero but for rounding.
    """

    loss: float
    gradients: Values
    averages: Values

    @property
    def parts(self) -> tuple[tuple[Values, float], ...]:
        """Each part, and the least size to which an error is relative: a loss may be nearly zero."""
        return ({LOSS: np.array(self.loss)}, 1.0), (self.gradients, 0.0), (self.averages, 0.0)

    @property
    def zeros(self) -> tuple[str, ...]:
        """The gradients that are exactly zero, whatever is computed."""
        most = _most(self.gradients)
        return tuple(name for name, values in self.gradients.items() if largest(values) <= ZERO * most)


def relative_error(found: np.ndarray, expected: np.ndarray, scale: float = 0.0) -> float:
    """Largest absolute difference over the largest absolute value of `expected`, or over `scale` if that is larger.

    Infinite if not all are numbers.
    """
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return math.inf
    size = max(scale, largest(expected))
    off = largest(found - expected)
    return off / size if size else (math.inf if off else 0.0)


def largest(values: np.ndarray) -> float:
    """The largest absolute value; 0 of nothing."""
    return float(np.abs(values).max(initial=0.0))


def formula_errors(found: Answers, exact: Answers, others: Collection[Answers] = ()) -> dict[str, float]:
    """How far each of `exact` is missed, relative to its largest value.

    What differs among `others`, where kinks are moved by less than anybody can tell, is left out.
    """
    errors = {}
    for part, (values, least) in enumerate(exact.parts):
        most = _most(values)
        mine, moved = found.parts[part][0], [other.parts[part][0] for other in others]
        for name, value in values.items():
            size = max(largest(value), SMALL * most, least)
            undecided = max((relative_error(other[name], value, size) for other in moved), default=0.0)
            errors[name] = max(0.0, relative_error(mine[name], value, size) - undecided)
    return errors


def kernel_errors(
    found: Answers, exact: Answers, rounded: Answers, others: Collection[Answers] = (), *, times: float = TIMES
) -> dict[str, float]:
    """How far each of `exact` is missed, over what float32 may lose: what `rounded` loses, `times` as much.

    `others` are as in `formula_errors`.

    Compared is the root of the mean square, in which a single activation beside a kink counts as one of many. Infinite
    if not all are numbers.
    """
    errors = {}
    for part, (values, least) in enumerate(exact.parts):
        mine, theirs = found.parts[part][0], rounded.parts[part][0]
        moved = [other.parts[part][0] for other in others]
        most = max((_spread(value) for value in values.values()), default=0.0)
        for name, value in values.items():
            undecided = max((_spread(other[name] - value) for other in moved), default=0.0)
            lost = times * _spread(theirs[name] - value) + undecided
            bound = lost + PART * max(_spread(value), least) + OF_LARGEST * most
            off = _spread(mine[name] - value)
            errors[name] = (off / bound if bound else (math.inf if off else 0.0)) if math.isfinite(off) else math.inf
    return errors


def _most(values: Values) -> float:
    return max((largest(value) for value in values.values()), default=0.0)


def _spread(values: np.ndarray) -> float:
    """The root of the mean square; 0 of nothing."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0
