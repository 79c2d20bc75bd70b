"""Weights of several devices into one set of weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm
from tbft_fleet.files.round import NormsPolicy
from tbft_fleet.merging.clipping import CLIP, check_clip, kept_shares, moved
from tbft_fleet.merging.part import Part, check_parts
from tbft_fleet.merging.rules import RULES, Rule, rule_weights
from tbft_fleet.merging.statistics import total_moments
from tbft_fleet.merging.tensor_file import span_of
from tbft_runtime.graphs.weights import check_finite
from tbft_runtime.run.state import Arrays

# Of values of all devices side by side, so that memory does not grow with their number.
_BLOCK_BYTES = 8 << 20


@dataclass(frozen=True)
class Share:
    """What a part came to: its `weight` among all (0 to 1), how far it moved, and which part of that counted.

    `norm` is of trained parameters, and `kept` (0 to 1) the part that counts of them, or of statistics if that is less.
    """

    weight: float
    norm: float
    kept: float


@dataclass(frozen=True)
class Merged:
    """Tensors by name, float32, and the share of each part, in their order."""

    tensors: Arrays
    shares: tuple[Share, ...]


def merge(
    parts: Sequence[Part],
    parameters: Sequence[str],
    norms: Sequence[BatchNorm],
    *,
    rule: Rule,
    policy: NormsPolicy,
    clip: float = CLIP,
) -> Merged:
    """One set of weights from those of several devices.

    Args:
        parts: What each device gives, at least one.
        parameters: What the plan trains.
        norms: The batch norms whose statistics moved meanwhile. Each part has these tensors, and no others.
        rule: How values become one.
        policy: What happens to the statistics. With `local` and `frozen` they are not in the result.
        clip: An update counts at most as if it moved so many times as far as the median.

    Returns:
        Trained parameters and, with `merge`, statistics; and what each part counted.

    Raises:
        TbftError: A part does not fit (`check_parts`), moved too far (`kept_shares`), or they are too few for the rule.
        DivergedError: What comes out is too large for a number.
    """
    if not parts:
        raise TbftError("there is nothing to merge", "give at least one run")
    check_clip(clip)
    statistics = [name for norm in norms for name in (norm.mean, norm.variance)]
    check_parts(parts, [*parameters, *statistics], norms)
    moves = [moved(part, parameters) for part in parts]
    kept = kept_shares(moves, clip)
    images, ages = np.array([part.images for part in parts], float), np.array([part.age for part in parts])
    weights = rule_weights(rule, images, ages)

    def combine(values: np.ndarray) -> np.ndarray:
        return RULES[rule](values, weights)

    tensors: Arrays = {}
    for name in parameters:
        combined = np.concatenate([combine(block) for (block,) in _blocks(parts, kept, name)])
        tensors[name] = _like(combined, parts[0], name)
    if policy == "merge" and norms:
        kept_of_norms = kept_shares([moved(part, statistics) for part in parts], clip)
        for norm in norms:
            blocks = _blocks(parts, kept_of_norms, norm.mean, norm.variance)
            pairs = [total_moments(means, variances, combine) for means, variances in blocks]
            for name, values in zip((norm.mean, norm.variance), zip(*pairs, strict=True), strict=True):
                tensors[name] = _like(np.concatenate(values), parts[0], name)
        kept = [min(both) for both in zip(kept, kept_of_norms, strict=True)]
    check_finite(tensors, "the merge", "look at each of the parts")
    shares = zip(weights.tolist(), moves, kept, strict=True)
    return Merged(tensors, tuple(Share(weight, move.norm, part) for weight, move, part in shares))


def _blocks(parts: Sequence[Part], kept: Sequence[float], *names: str) -> Iterator[tuple[np.ndarray, ...]]:
    """Of tensors of the same shape, so many values of all parts at once, (n, k) float64 each, clipped."""
    size = parts[0].base[names[0]].size
    step = max(1, _BLOCK_BYTES // (8 * len(parts)))
    # Also of a tensor without any value there is one block.
    for start in range(0, max(size, 1), step):
        span = slice(start, min(start + step, size))
        yield tuple(_block(parts, kept, name, span) for name in names)


def _block(parts: Sequence[Part], kept: Sequence[float], name: str, span: slice) -> np.ndarray:
    """base + kept * (x - base), (n, k) float64; x to the bit where nothing is clipped."""
    block = np.empty((len(parts), span.stop - span.start))
    for row, part, share in zip(block, parts, kept, strict=True):
        row[:] = span_of(part.tensors, name, span)
        if share < 1:
            base = span_of(part.base, name, span)
            row[:] = base + share * (row - base)
    return block


def _like(values: np.ndarray, part: Part, name: str) -> np.ndarray:
    own = part.base[name]
    with np.errstate(over="ignore"):  # It is told by its name.
        return values.reshape(own.shape).astype(own.dtype)
