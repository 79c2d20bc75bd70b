"""Given what each way to run a plan costs, `tune` finds the fastest one, and leaves the default alone for noise."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.bundles import made_up_manifest
from tbft_artifacts.plan import Plan
from tbft_runtime.run.execution import Execution
from tbft_runtime.tuning.record import Coordinate, TuningCandidate, TuningComparison
from tbft_runtime.tuning.search import ORDER, Space, comparison, search, timing

DEFAULT = TuningCandidate(4, Execution(micro_batch=8, gradient_form="winograd", prefix_form="direct", spinning=False))


def plan(**changes: Any) -> Plan:
    forms = {"gradient_forms": ("winograd", "direct"), "prefix_forms": ("direct", "winograd")}
    return msgspec.structs.replace(made_up_manifest().plans[0], **{**forms, **changes})


def but(candidate: TuningCandidate, **values: Any) -> TuningCandidate:
    """`candidate` with other values."""
    threads = values.pop("threads", candidate.threads)
    return TuningCandidate(threads, msgspec.structs.replace(candidate.execution, **values))


def compare(
    coordinate: Coordinate | None, in_use: TuningCandidate, tried: TuningCandidate, costs: tuple[Any, Any]
) -> TuningComparison:
    return comparison(coordinate, timing(in_use, costs[0]), timing(tried, costs[1]))


STEADY = [10.0, 10.1, 9.9, 10.0, 10.0]


@pytest.mark.parametrize(
    ("tried", "taken"),
    [
        ([9.0, 9.1, 8.9, 9.0, 9.0], True),
        ([9.9, 10.0, 9.8, 9.9, 9.9], True),  # By 0.1, where the middle half of the times is equal.
        ([7.0, 9.0, 12.0, 8.0, 11.0], False),  # Half of its times are 3 apart.
        (STEADY, False),
        ([11.0, 11.1, 10.9, 11.0, 11.0], False),
    ],
)
def test_faster_by_more_than_the_spread(tried: list[float], taken: bool) -> None:
    """A median that is lower by less than either interquartile range shows nothing."""
    other = but(DEFAULT, micro_batch=4)
    assert compare("micro_batch", DEFAULT, other, (STEADY, tried)).taken == taken


def test_a_time_keeps_its_rounds() -> None:
    """Median and quartiles are those of the rounds, which stay to be looked at."""
    found = timing(DEFAULT, [5.0, 1.0, 2.0, 4.0, 3.0])
    assert (found.lower_ms, found.median_ms, found.upper_ms) == (2.0, 3.0, 4.0)
    assert found.ms == (5.0, 1.0, 2.0, 4.0, 3.0)


def values(coordinate: Coordinate, space: Space, candidate: TuningCandidate = DEFAULT) -> list[Any]:
    return [other.value(coordinate) for other in space.alternatives(coordinate, candidate)]


def test_alternatives_with_fixed_statistics() -> None:
    """Powers of two up to all cores, which may be none itself; half and twice as many images at once."""
    space = Space(plan(), 40, 6)
    assert values("threads", space) == [1, 2, 6]
    assert values("micro_batch", space) == [4, 10]
    assert values("gradient_form", space) == ["direct"]
    assert values("prefix_form", space) == ["winograd"]
    assert values("spinning", space) == []


def test_alternatives_with_batch_statistics() -> None:
    """The batch stays whole; whether its threads spin is worth a try, where there are several."""
    space = Space(plan(batch_statistics=("bn.running_mean",)), 40, 4)
    assert values("micro_batch", space) == []
    assert values("spinning", space) == [True]
    assert values("spinning", space, but(DEFAULT, threads=1)) == []


def test_threads_that_were_asked_for_are_not_varied() -> None:
    assert values("threads", Space(plan(), 32, None)) == []


def test_more_images_than_a_threads_share_are_its_share() -> None:
    """Eight at once are five where a thread gets five: neither that nor twice as many is an alternative."""
    assert values("micro_batch", Space(plan(), 20, 4)) == [2]
    assert values("micro_batch", Space(plan(), 4, 4)) == []


@given(
    st.sampled_from([(), ("bn.running_mean",)]),
    st.integers(1, 70),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 64),
    st.lists(st.integers(0, 9), min_size=1, max_size=9),
)
def test_any_search_ends_and_changes_one_thing_at_a_time(
    statistics: Any, batch_size: int, cores: int, threads: int, micro_batch: int, noise: list[int]
) -> None:
    """Whatever is measured, also times that contradict each other: no pair meets twice, none is equal."""
    default = but(DEFAULT, threads=threads, micro_batch=micro_batch)
    times = itertools.cycle([[1.0 + step] * 5 for step in noise])
    seen = []

    def measure(coordinate: Coordinate | None, in_use: TuningCandidate, tried: TuningCandidate) -> TuningComparison:
        if coordinate is not None:
            seen.append(frozenset((in_use, tried)))
            assert [each for each in ORDER if in_use.value(each) != tried.value(each)] == [coordinate]
        return compare(coordinate, in_use, tried, (next(times), next(times)))

    chosen, comparisons, finished = search(
        default, Space(plan(batch_statistics=statistics), batch_size, cores), measure
    )
    assert finished
    assert len(set(seen)) == len(seen)
    assert chosen in [default, *(each.tried.candidate for each in comparisons)]


def cost(candidate: TuningCandidate) -> float:
    """Milliseconds of a device where one thread less is best, and the direct form likes small parts."""
    execution = candidate.execution
    parts = {"winograd": 10 - execution.micro_batch / 4, "direct": 5 + execution.micro_batch}[execution.gradient_form]
    return parts + abs(candidate.threads - 2) + (3 if execution.prefix_form == "direct" else 0)


def measure(coordinate: Coordinate | None, in_use: TuningCandidate, tried: TuningCandidate) -> TuningComparison:
    return compare(coordinate, in_use, tried, ([cost(in_use)] * 5, [cost(tried)] * 5))


def test_the_search_goes_on_until_nothing_changes() -> None:
    """The direct form is worse with the default parts, which the search keeps: it meets it again with others."""
    chosen, comparisons, finished = search(DEFAULT, Space(plan(), 32, 4), measure)
    assert finished
    assert chosen == but(DEFAULT, threads=2, micro_batch=16, prefix_form="winograd")
    last = comparisons[-1]
    assert (last.coordinate, last.in_use.candidate, last.tried.candidate) == (None, DEFAULT, chosen)
    forms = [each for each in comparisons if each.coordinate == "gradient_form"]
    assert [each.in_use.candidate.execution.micro_batch for each in forms] == [8, 16]


def test_what_was_chosen_has_to_beat_the_default_as_a_whole() -> None:
    """Gains that vanish together were noise."""

    def vanishing(coordinate: Coordinate | None, in_use: TuningCandidate, tried: TuningCandidate) -> TuningComparison:
        return (
            compare(None, in_use, tried, (STEADY, STEADY)) if coordinate is None else measure(coordinate, in_use, tried)
        )

    chosen, comparisons, _ = search(DEFAULT, Space(plan(), 32, 4), vanishing)
    assert chosen == DEFAULT
    assert not comparisons[-1].taken


def test_time_that_is_up_ends_the_search() -> None:
    """What was found until then is chosen, and still meets the default."""

    def hurried(
        coordinate: Coordinate | None, in_use: TuningCandidate, tried: TuningCandidate
    ) -> TuningComparison | None:
        return None if coordinate == "gradient_form" else measure(coordinate, in_use, tried)

    chosen, comparisons, finished = search(DEFAULT, Space(plan(), 32, 4), hurried)
    assert not finished
    assert chosen == but(DEFAULT, threads=2)
    assert [each.coordinate for each in comparisons] == ["threads", "threads", None]


def test_nothing_to_vary_needs_no_measurement() -> None:
    """One core, one form, one image at a time."""
    default = but(DEFAULT, threads=1, micro_batch=1, prefix_form=None)
    space = Space(plan(gradient_forms=("winograd",), prefix_forms=()), 1, 1)
    assert search(default, space, lambda *_: pytest.fail("measured")) == (default, [], True)
