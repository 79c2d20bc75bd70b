"""How far from normal two windows after each other both are where nothing drifts: what alarms really come to here.

A camera that sees one class for hours is further from the normal of all classes than chance says, and so are windows
beside each other at the same time. So the limit is not that of theory alone: the distances of the first windows of a
model are kept, and their tail is prolonged to the rate of alarms that was asked for. Beyond a high quantile excesses
are taken for exponential (peaks over a threshold: Pickands, 1975, with shape 0, as sums of squares of Gaussians are).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from tbft_agent.watching.chance import IN_A_ROW
from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.own import read_own
from tbft_artifacts.rights import PRIVATE_FILE

# From fewer pairs no tail is told; more of them, and what drifts slowly would move the limit along.
FEWEST, ENOUGH = 64, 512
# Until a tail is told the limit is so many times that of theory.
UNTIL = 1.5
# The part of the pairs that tells the tail.
_TAIL = 0.1


def limit_of(lesser: Sequence[float], theory: float, chance: float) -> float:
    """The distance that both of two neighbouring windows exceed with `chance`, and not below that of `theory`.

    `lesser` are the lesser distances of neighbouring windows in which nothing drifted. The mean excess is taken to be
    a standard error longer than it was, since few pairs tell it.
    """
    if len(lesser) < FEWEST:
        return theory * UNTIL
    known = np.array(lesser)
    begin = float(np.quantile(known, 1 - _TAIL))
    excess = known[known > begin] - begin
    if not len(excess):
        return max(theory, begin)
    mean = float(excess.mean()) * (1 + 1 / math.sqrt(len(excess)))
    return max(theory, begin + mean * math.log(_TAIL / min(chance, _TAIL)))


@dataclass
class Evidence:
    """How far windows after each other are from normal. `quiet` are the lesser distances of neighbours, of the first so
    many that were no alarm.
    """

    quiet: list[float] = field(default_factory=list)
    odd_in_a_row: int = 0
    usual_in_a_row: int = 0
    _before: float | None = None
    _limit: float | None = None

    def add(self, distance: float, theory: float, chance: float) -> float:
        """The next window: the limit for it. What theory says that one may have, and the chance of an alarm, stay."""
        if self._limit is None:
            self._limit = limit_of(self.quiet, theory, chance)
        limit = self._limit
        is_odd = distance > limit
        self.odd_in_a_row = self.odd_in_a_row + 1 if is_odd else 0
        self.usual_in_a_row = 0 if is_odd else self.usual_in_a_row + 1
        if self._before is not None and not self.sees_drift and len(self.quiet) < ENOUGH:
            self.quiet.append(min(self._before, distance))
            self._limit = None
        self._before = distance
        return limit

    @property
    def sees_drift(self) -> bool:
        return self.odd_in_a_row >= IN_A_ROW

    @property
    def sees_none(self) -> bool:
        return self.usual_in_a_row >= IN_A_ROW


class _Kept(msgspec.Struct, frozen=True):
    """Of windows of so many images: another number of them scatters otherwise."""

    window: int
    lesser: tuple[float, ...]


def write_quiet(path: Path, window: int, lesser: Sequence[float]) -> None:
    """Keep them, all or nothing. Raises TbftError for a full disk."""
    with atomic_file(path, mode=PRIVATE_FILE) as temporary:
        temporary.write_bytes(msgspec.json.encode(_Kept(window, tuple(lesser))))


def read_quiet(path: Path, window: int) -> list[float]:
    """Those that were kept; none where they are not whole, or of other windows: they come anew."""
    found = read_own(path, _Kept)
    if found is None:
        return []
    is_of_these = found.window == window and all(0 <= each < np.inf for each in found.lesser)
    return list(found.lesser[:ENOUGH]) if is_of_these else []
