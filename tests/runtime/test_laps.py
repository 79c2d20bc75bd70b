"""Times as counts in bins: percentiles stay those of the times, and what is kept does not grow with them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_runtime.laps import WIDTH, Laps, LapSum, histogram

TIMES = st.lists(st.floats(1e-3, 1e7), min_size=1, max_size=200)


def summed(*stretches: tuple[list[float], bool]) -> LapSum:
    found = LapSum()
    for times, warms_up in stretches:
        found.add(Laps.of(times), warms_up=warms_up)
    return found


@given(TIMES)
def test_percentiles_are_within_half_a_percent(times: list[float]) -> None:
    """Of those that numpy gives for the times themselves."""
    latency = summed((times, False)).latency()
    assert latency is not None
    assert (latency.count, latency.warm_up) == (len(times), 0)
    expected = np.percentile(times, [50, 95, 99]).tolist()
    assert [latency.p50_ms, latency.p95_ms, latency.p99_ms] == pytest.approx(expected, rel=WIDTH**0.5 - 1 + 1e-9)


@given(TIMES)
def test_laps_survive_the_disk(times: list[float]) -> None:
    laps = Laps.of(times)
    assert msgspec.json.decode(msgspec.json.encode(laps), type=Laps) == laps
    assert laps.count == len(times)
    assert laps.ms == pytest.approx(sum(times), abs=1e-3)


def test_the_first_lap_of_a_stretch_that_warms_up_is_left_out() -> None:
    """And no other of the same time."""
    latency = summed(([50.0, 1.0, 1.0], True), ([50.0, 1.0], False)).latency()
    assert latency is not None
    assert (latency.count, latency.warm_up) == (4, 1)
    assert latency.p99_ms == pytest.approx(50, rel=0.04)


def test_if_all_laps_warm_up_none_is_left_out() -> None:
    """One step is better than none."""
    latency = summed(([50.0], True), ([40.0], True)).latency()
    assert latency is not None
    assert (latency.count, latency.warm_up) == (2, 0)
    assert summed(([], True)).latency() is None


def test_what_is_kept_is_small_however_many_there_are() -> None:
    """From a microsecond to three hours there are bins for all."""
    times = np.random.default_rng(0).uniform(9, 11, 100_000).tolist()
    assert len(msgspec.json.encode(Laps.of(times))) < 500
    everything = np.geomspace(1e-3, 1e7, 100_000).tolist()
    assert len(Laps.of(everything).bins) < 2400


@given(TIMES, st.integers(1, 30))
def test_a_histogram_holds_every_lap_between_its_edges(times: list[float], most: int) -> None:
    """Its edges are those of bins, so that no lap is in two groups."""
    edges, counts = histogram(dict(Laps.of(times).bins), most)
    assert sum(counts) == len(times)
    assert len(counts) <= most
    assert len(edges) == len(counts) + 1
    assert edges[0] <= min(times) * (1 + 1e-9)
    assert edges[-1] >= max(times) * (1 - 1e-9)
