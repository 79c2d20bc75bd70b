"""Alarms where nothing drifts: as often as was asked for, whatever is seen for hours; drift is seen still."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from support.agent_life import Life
from support.agents import old_pictures, show
from support.damages import DAMAGES
from tbft_agent.settings import Watching
from tbft_agent.watching.chance import IN_A_ROW, chance_of_alarm, windows_per_month
from tbft_agent.watching.normal import Normal
from tbft_agent.watching.quiet import ENOUGH, FEWEST, UNTIL, limit_of, read_quiet, write_quiet
from tbft_agent.watching.watch import Watch
from tbft_runtime.domains.statistics import of_source

# As few images a month that a test sees several of them.
WATCHING = Watching(window=8, images_per_day=200)
SIZE = 6


def watch() -> Watch:
    return Watch(WATCHING, 1, Normal.of_source(of_source(np.eye(SIZE), 1000), 1))


def alarms(seen: Watch, months: float, seed: int, shift: float = 0.0, hold: int = 10) -> int:
    """Of images that differ by what the camera sees for `hold` windows, by so much in each number."""
    rng, found = default_rng(seed), 0
    for number in range(int(months * windows_per_month(WATCHING))):
        if number % hold == 0:
            offset = rng.normal(0, shift, SIZE)
        for row in rng.normal(0, 1, (WATCHING.window, SIZE)) + offset:
            seen.add(row, 0, 0.9)
        found += seen.sees_drift
    return found


def test_a_camera_that_sees_one_thing_for_hours_calls_no_more_alarms_than_asked() -> None:
    """Neighbouring windows are alike there: alarms came 84 a month instead of 1."""
    months = 4
    total = sum(alarms(watch(), months, seed, shift=0.25) for seed in range(3))
    assert total / (3 * months) < 3
    # By theory alone, as it was.
    theory = limit_by_theory(shift=0.25)
    assert theory > 10


def limit_by_theory(shift: float) -> float:
    """Alarms a month where nothing is learned of what is usual here."""
    seen, months = watch(), 2.0
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tbft_agent.watching.quiet.limit_of", lambda *known: known[1])
        return alarms(seen, months, 1, shift) / months


def test_drift_is_seen_at_once_all_the_same() -> None:
    """In a place where windows differ, and before anything is known of that place."""
    for months in (0.0, 0.5):
        seen = watch()
        alarms(seen, months, 5, shift=0.25)
        for row in default_rng(9).normal(2.5, 1, (IN_A_ROW * WATCHING.window, SIZE)):
            seen.add(row, 0, 0.9)
        assert seen.sees_drift


def test_what_drifts_is_not_what_is_usual() -> None:
    """Else the limit would go up until the drift is normal."""
    seen = watch()
    for row in default_rng(2).normal(2.5, 1, (40 * WATCHING.window, SIZE)):
        seen.add(row, 0, 0.9)
    assert seen.sees_drift
    assert len(seen.evidence.quiet) <= IN_A_ROW


@given(st.lists(st.floats(0, 1e6), max_size=ENOUGH), st.floats(1e-9, 0.5), st.floats(0, 1e6))
def test_the_limit_is_never_below_theory_and_never_no_number(lesser: list[float], chance: float, theory: float) -> None:
    found = limit_of(lesser, theory, chance)
    assert np.isfinite(found)
    assert found >= theory
    if len(lesser) < FEWEST:
        assert found == theory * UNTIL


def test_rarer_alarms_have_a_higher_limit() -> None:
    lesser = default_rng(0).exponential(10, ENOUGH).tolist()
    limits = [limit_of(lesser, 1.0, chance) for chance in (0.04, 1e-3, 1e-4)]
    assert limits == sorted(limits)
    # Of exponential distances the quantile is known.
    assert limits[-1] == pytest.approx(10 * np.log(1e4), rel=0.25)


def test_the_rate_of_alarms_is_that_of_the_settings() -> None:
    rare = Watching(images_per_day=32, window=32, false_alarms_per_month=3)
    assert chance_of_alarm(rare) == pytest.approx(0.04)
    assert chance_of_alarm(Watching()) == pytest.approx(1 / 9375)


def test_what_is_usual_here_is_kept_over_a_restart(life: Life) -> None:
    agent = life.begin()
    show(agent, old_pictures(80))
    known = list(agent.core.watch.evidence.quiet)
    assert known
    agent.close()
    again = life.begin()
    assert again.core.watch.evidence.quiet == known
    again.close()


@pytest.mark.parametrize("how", sorted(DAMAGES))
def test_damaged_distances_are_told_anew(tmp_path: Path, how: str) -> None:
    path = tmp_path / "quiet.json"
    write_quiet(path, 32, [1.0, 2.0, 3.0])
    assert read_quiet(path, 32) == [1.0, 2.0, 3.0]
    assert read_quiet(path, 16) == []
    path.write_bytes(DAMAGES[how](path.read_bytes()))
    assert all(np.isfinite(each) for each in read_quiet(path, 32))
