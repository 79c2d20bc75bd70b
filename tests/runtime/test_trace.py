"""Joules from samples: curves with known energy, gaps, counters, and stretches of time."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbft_runtime.energy.trace import Drawn, PowerTrace
from tbft_runtime.meters.meter import Sample

RNG = np.random.default_rng(7)


def stretch(trace: PowerTrace, began: float, ended: float) -> Drawn:
    return trace.drawn(np.array([began]), np.array([ended]))


def sampled(watts: Callable[[float], float], times: np.ndarray) -> PowerTrace:
    trace = PowerTrace("watts")
    trace.add([Sample(float(time), watts(float(time))) for time in times])
    return trace


def jittered(seconds: float, hertz: float, jitter: float, seed: int) -> np.ndarray:
    """Times from 0 to past `seconds`, `hertz` on average, each interval off by up to `jitter` of itself."""
    count = int(seconds * hertz * (1 + jitter)) + 5
    steps = 1 / hertz * (1 + np.random.default_rng(seed).uniform(-jitter, jitter, count))
    return np.concatenate([[0.0], np.cumsum(steps)])


@settings(deadline=None, max_examples=60)
@given(
    hertz=st.floats(10, 1000),
    jitter=st.floats(0, 0.5),
    base=st.floats(0.5, 20),
    swing=st.floats(0, 0.9),
    period=st.floats(0.5, 30),
    seed=st.integers(0, 1000),
)
def test_a_curve_with_known_energy_is_recovered(
    hertz: float, jitter: float, base: float, swing: float, period: float, seed: int
) -> None:
    """base * (1 + swing sin(2 pi t / period)): within 1 % at 10 to 1000 Hz, however irregular the samples are."""
    began, ended = 0.7, 20.3
    omega = 2 * math.pi / period
    trace = sampled(lambda t: base * (1 + swing * math.sin(omega * t)), jittered(ended, hertz, jitter, seed))
    waves = swing / omega * (math.cos(omega * began) - math.cos(omega * ended))
    expected = base * (ended - began + waves)
    drawn = stretch(trace, began, ended)
    assert drawn.joules == pytest.approx(expected, rel=0.01)
    assert drawn.covered == pytest.approx(ended - began, rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(hertz=st.floats(10, 500), period=st.floats(3, 15), duty=st.floats(0.2, 0.8), seed=st.integers(0, 1000))
def test_a_load_that_switches_is_recovered(hertz: float, period: float, duty: float, seed: int) -> None:
    """3 W and 7 W in turns for 2 minutes: edges fall between samples, now in favour, now against."""
    ended = 120.0
    trace = sampled(lambda t: 7.0 if t % period < duty * period else 3.0, jittered(ended, hertz, 0.25, seed))
    whole, rest = divmod(ended, period)
    high = whole * duty * period + min(rest, duty * period)
    assert stretch(trace, 0, ended).joules == pytest.approx(3 * ended + 4 * high, rel=0.01)


def test_parts_add_up_to_the_whole() -> None:
    """Energy of phases is what lies between their beginnings and ends, whatever is between two samples."""
    trace = sampled(lambda t: 2 + t, jittered(10, 7, 0.3, 1))
    edges = np.sort(RNG.uniform(0, 10, 50))
    parts = [stretch(trace, a, b).joules for a, b in pairwise(edges)]
    assert sum(parts) == pytest.approx(stretch(trace, edges[0], edges[-1]).joules)
    assert trace.drawn(edges[:-1], edges[1:]).joules == pytest.approx(sum(parts))


def test_nothing_is_made_up_outside_the_samples() -> None:
    """Before the first sample and after the last nothing is covered."""
    trace = sampled(lambda _: 4.0, np.arange(5.0, 8.01, 0.1))
    drawn = stretch(trace, 0, 20)
    assert (drawn.joules, drawn.covered) == (pytest.approx(12.0), pytest.approx(3.0))
    assert stretch(PowerTrace("watts"), 0, 1) == Drawn(0, 0)


def test_a_meter_that_was_away_leaves_a_gap() -> None:
    """Five seconds without a sample at 10 Hz are not covered, and have no joules."""
    times = np.concatenate([np.arange(0, 5, 0.1), np.arange(10, 15.01, 0.1)])
    trace = sampled(lambda _: 2.0, times)
    drawn = stretch(trace, 0, 15)
    assert drawn.covered == pytest.approx(9.9)
    assert drawn.joules == pytest.approx(19.8)
    assert abs(trace.sampling_difference(0, 15)) < 1e-9


def test_a_meter_that_was_away_after_its_first_sample_leaves_a_gap() -> None:
    """The first interval is no measure of itself: 100 s at 10 Hz are a gap, and later ones are still noticed."""
    times = np.concatenate([[0.0], np.arange(100, 105.01, 0.1), [130.0]])
    trace = sampled(lambda _: 5.0, times)
    assert stretch(trace, 0, 130).covered == pytest.approx(5.0)
    assert stretch(trace, 0, 130).joules == pytest.approx(25.0)


def test_a_slow_meter_has_no_gaps() -> None:
    """A sample every five seconds, a little early or late, is how some meters are."""
    times = np.cumsum(RNG.uniform(4.5, 5.5, 40))
    trace = sampled(lambda _: 3.0, times)
    assert stretch(trace, times[0], times[-1]).covered == pytest.approx(times[-1] - times[0])


def test_a_counter_knows_what_happened_meanwhile() -> None:
    """Joules that were counted while nobody looked are there, however late they are read."""
    trace = PowerTrace("joules")
    trace.add([Sample(0, 0), Sample(1, 5), Sample(60, 300)])
    assert stretch(trace, 0, 60) == Drawn(300, 60)
    assert stretch(trace, 0.5, 1).joules == pytest.approx(2.5)


def test_samples_out_of_order_are_dropped() -> None:
    """Time goes forwards only; an integral backwards would be negative energy."""
    trace = PowerTrace("watts")
    trace.add([Sample(0, 1), Sample(1, 1), Sample(0.5, 100), Sample(1, 100), Sample(2, 1)])
    assert stretch(trace, 0, 2) == Drawn(2, 2)


def test_sampling_is_doubted_where_the_load_switches() -> None:
    """Every other sample less changes nothing for a steady load, and something for one faster than the samples."""
    times = jittered(30, 10, 0.2, 3)
    assert abs(sampled(lambda _: 5.0, times).sampling_difference(0, 30)) < 1e-9
    fast = sampled(lambda t: 3.0 if t % 0.13 < 0.05 else 7.0, times)
    assert abs(fast.sampling_difference(0, 30)) > 0.1


def test_forgetting_changes_nothing_later() -> None:
    """Samples before a moment can go; what is asked for from then on stays the same."""
    trace = sampled(lambda t: 2 + math.sin(t), jittered(20, 10, 0.3, 5))
    before = stretch(trace, 12.34, 19)
    count = trace.count(12.34, 19)
    trace.forget(12.34)
    assert trace.seconds[0] > 12
    assert stretch(trace, 12.34, 19).joules == pytest.approx(before.joules)
    assert trace.count(12.34, 19) == count
