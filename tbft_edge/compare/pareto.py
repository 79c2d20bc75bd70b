"""Which of several trade-offs are not dominated: none of the others is better in one way and no worse in the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Offer(NamedTuple):
    """More of `gain` is better, less of `cost` is; both are numbers, not NaN."""

    gain: float
    cost: float

    def dominates(self, other: Offer) -> bool:
        """Whether it is better in one way, and at least as good in the other; of two equal ones neither does."""
        return self.gain >= other.gain and self.cost <= other.cost and self != other


def on_front(offers: Sequence[Offer]) -> list[bool]:
    """For each offer, whether no other one dominates it. Equal offers are there all or not at all."""
    return [not any(other.dominates(offer) for other in offers) for offer in offers]
