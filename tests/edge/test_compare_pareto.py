"""Which trade-offs no other one beats."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tbft_edge.compare.pareto import Offer, on_front

# Few values, so that ties are frequent.
OFFERS = st.lists(st.builds(Offer, st.integers(0, 6).map(float), st.integers(0, 6).map(float)), max_size=12)


def front(offers: list[Offer]) -> list[Offer]:
    return [offer for offer, best in zip(offers, on_front(offers), strict=True) if best]


def test_the_cheap_and_the_good_stay_and_what_is_neither_goes() -> None:
    offers = [Offer(0.9, 60.0), Offer(0.6, 2.0), Offer(0.8, 70.0), Offer(0.9, 80.0), Offer(0.5, 2.0)]
    assert on_front(offers) == [True, True, False, False, False]


@given(OFFERS)
def test_gain_rises_with_cost_along_the_front_and_all_else_is_beaten(offers: list[Offer]) -> None:
    """By a sweep from the cheapest on: the front is every new highest gain."""
    swept, highest = set(), float("-inf")
    for cost in sorted({offer.cost for offer in offers}):
        best = max(offer.gain for offer in offers if offer.cost == cost)
        if best > highest:
            swept.add(Offer(best, cost))
            highest = best
    assert set(front(offers)) == swept


@given(OFFERS, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(offers: list[Offer], draw: random.Random) -> None:
    places = list(range(len(offers)))
    draw.shuffle(places)
    shuffled = on_front([offers[place] for place in places])
    original = on_front(offers)
    assert [original[place] for place in places] == shuffled


@given(OFFERS.filter(bool), st.integers(0, 3), st.integers(0, 3), st.data())
def test_dominated_points_never_change_the_front(
    offers: list[Offer], less: int, dearer: int, data: st.DataObject
) -> None:
    near = data.draw(st.sampled_from(offers))
    worse = Offer(near.gain - less, near.cost + dearer)
    if worse == near:
        return
    assert on_front([*offers, worse]) == [*on_front(offers), False]


@given(OFFERS.filter(bool), st.data())
def test_equal_ones_are_there_all_or_not_at_all(offers: list[Offer], data: st.DataObject) -> None:
    twin = data.draw(st.sampled_from(offers))
    flags = on_front([*offers, twin])
    assert flags[-1] == on_front(offers)[offers.index(twin)] == flags[offers.index(twin)]
    assert flags[:-1] == on_front(offers)
