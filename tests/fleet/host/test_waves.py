"""A release goes on to more devices because those before them said that it is good, and for no other reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_fleet.files.release import Release
from tbft_fleet.files.result import Outcome
from tbft_fleet.files.waves import bucket, is_open
from tbft_fleet.host.settings import GroupSettings, Settings
from tbft_fleet.host.waves import Decision, Member, decide, first_percent

NOW = datetime(2026, 12, 1, tzinfo=UTC)
SETTINGS = Settings(groups={"porch": GroupSettings(), "garden": GroupSettings()})
NUMBER = 12


def release(percent: int, *groups: str) -> Release:
    return Release(
        number=NUMBER,
        bundle_id="0" * 64,
        groups=groups or ("porch",),
        percent=percent,
        minimum_runtime="0.1.0",
    )


def members(count: int, group: str = "porch", hours: float = 1) -> list[Member]:
    return [Member(f"{group}-{number}", group, NOW - timedelta(hours=hours)) for number in range(count)]


def told(found: list[Member], percent: int, outcome: Outcome = "committed", most: int | None = None) -> list[Member]:
    """Where the first `most` of those in the wave said how it went."""
    inside = [member.name for member in found if bucket(NUMBER, member.name) < percent][:most]
    return [
        Member(m.name, m.group, m.heard_at, outcome if m.name in inside else None, "why" if m.name in inside else None)
        for m in found
    ]


def decided(percent: int, found: list[Member], settings: Settings = SETTINGS, *groups: str) -> Decision:
    return decide(settings, release(percent, *groups), found, NOW)


def test_buckets_are_those_that_were_agreed_on() -> None:
    """Hosts and devices of different versions count alike: these never change."""
    assert [bucket(number, "pi-7") for number in range(1, 6)] == [54, 54, 56, 7, 69]


def test_not_always_the_same_devices_are_first() -> None:
    firsts = {name for number in range(1, 100) for name in map("pi-{}".format, range(20)) if bucket(number, name) < 10}
    assert len(firsts) == 20


@given(st.integers(1, 200), st.integers(0, 60), st.integers(0, 60))
def test_the_first_wave_has_a_device_of_each_group(number: int, porch: int, garden: int) -> None:
    """And none more than it takes; a group without devices has none."""
    found = [*members(porch), *members(garden, "garden")]
    percent = first_percent(SETTINGS, number, ("porch", "garden"), found, NOW)
    for group in {member.group for member in found}:
        assert any(bucket(number, member.name) < percent for member in found if member.group == group)
    assert percent == 1 or any(bucket(number, member.name) == percent - 1 for member in found)


def test_who_failed_it_ahead_holds_it_and_withdraws_nothing() -> None:
    """Over SSH others choose the canary: where it fails, the release must not go on to boards that pull.

    But any board may say so of a release that never came to it: it must not have it withdrawn.
    """
    found = told(members(50), 10)
    ahead = next(member for member in found if bucket(NUMBER, member.name) >= 10)
    failed = [Member(m.name, m.group, NOW, "rolled back", "why") if m is ahead else m for m in found]
    assert decided(10, found).verdict == "open"
    held = decided(10, failed)
    assert (held.verdict, held.percent, held.failed) == ("hold", 10, ())
    assert [member.name for member in held.ahead] == [ahead.name]
    tolerant = Settings(groups=SETTINGS.groups, failed=0.5)
    assert decided(10, failed, tolerant).verdict == "open"


def test_who_says_that_it_took_it_ahead_opens_no_wave() -> None:
    """It may have it from others, or may never have had it: the wave is judged by those that it came to."""
    found = members(50)
    ahead = [Member(m.name, m.group, NOW, None if bucket(NUMBER, m.name) < 10 else "committed") for m in found]
    decision = decided(10, ahead)
    assert (decision.verdict, decision.committed) == ("wait", ())


def test_the_first_wave_is_of_devices_that_were_heard() -> None:
    """One that is off would keep all others waiting; where none was heard, any will do."""
    silent = members(50, hours=100)
    awake = Member("awake", "porch", NOW)
    percent = first_percent(SETTINGS, NUMBER, ("porch",), [*silent, awake], NOW)
    assert percent > bucket(NUMBER, "awake")
    assert first_percent(SETTINGS, NUMBER, ("porch",), silent, NOW) < 20


def test_the_next_wave_opens_when_all_committed() -> None:
    found = told(members(200), 10)
    decision = decided(10, found)
    assert (decision.verdict, decision.percent) == ("open", 50)
    assert set(decision.committed) == {m.name for m in found if is_open(release(10), m.name)}
    assert decision.failed == decision.waiting == decision.silent == ()


def test_a_wave_is_waited_for() -> None:
    """Until nine of ten have told."""
    found = told(members(200), 10, most=2)
    assert decided(10, found).verdict == "wait"
    inside = sum(is_open(release(10), m.name) for m in found)
    enough = told(members(200), 10, most=inside - 1)
    assert decided(10, enough).verdict == "open"
    assert len(decided(10, enough).waiting) == 1


def test_one_failure_stops_it() -> None:
    """Also before the others have told."""
    found = told(members(200), 10, "rolled back", most=1)
    decision = decided(10, found)
    assert (decision.verdict, decision.percent) == ("stop", 0)
    (failed,) = decision.failed
    assert (failed.outcome, failed.why) == ("rolled back", "why")


def test_some_may_fail_where_that_is_put_up_with() -> None:
    """Of the wave, and not of those that told first."""
    settings = Settings(groups=SETTINGS.groups, failed=0.1)
    found = told(members(200), 10, "rolled back", most=1)
    assert decided(10, found, settings).verdict == "wait"
    assert decided(10, told(members(200), 10, "refused", most=5), settings).verdict == "stop"


def test_who_is_silent_is_not_waited_for() -> None:
    """A board that is off for a month; it takes the release when it is back."""
    found = [
        *told(members(100), 20),
        *(Member(f"off-{n}", "porch", NOW - timedelta(hours=49)) for n in range(100)),
    ]
    decision = decided(20, found)
    assert decision.verdict == "open"
    assert decision.silent
    assert all(name.startswith("off-") for name in decision.silent)


def test_a_wave_of_silent_devices_is_widened() -> None:
    """By one that was heard: else a canary that is off stops a fleet."""
    awake = Member("awake", "porch", NOW)
    off = next(
        Member(name, "porch", NOW - timedelta(hours=100))
        for name in map("off-{}".format, range(1000))
        if bucket(NUMBER, name) < bucket(NUMBER, "awake")
    )
    decision = decided(bucket(NUMBER, off.name) + 1, [off, awake])
    assert (decision.verdict, decision.percent) == ("widen", bucket(NUMBER, "awake") + 1)
    assert decision.silent == (off.name,)


def test_where_nobody_was_heard_it_waits() -> None:
    assert decided(100, members(5, hours=100)).verdict == "wait"
    assert decided(100, []).verdict == "wait"


def test_a_group_of_which_nobody_told_is_waited_for() -> None:
    """However many of the other did: their pictures differ."""
    porch, garden = told(members(400), 20), members(1, "garden")
    percent = max(20, bucket(NUMBER, garden[0].name) + 1)
    found = [*told(members(400), percent), *garden]
    assert len(porch) == 400
    assert decided(percent, found, SETTINGS, "porch", "garden").verdict == "wait"


def test_other_groups_do_not_count() -> None:
    found = [*told(members(200), 10), *told(members(50, "garden"), 100, "rolled back")]
    assert decided(10, found).verdict == "open"


def test_a_wave_that_adds_nobody_is_passed_over() -> None:
    """A fleet of three has no use for four waves."""
    found = told(members(3), 100)
    first = first_percent(SETTINGS, NUMBER, ("porch",), found, NOW)
    steps = [first]
    while (decision := decided(steps[-1], found)).verdict == "open":
        steps.append(decision.percent)
    assert decision.verdict == "through"
    assert len(steps) <= 4
    assert steps == sorted(set(steps))


@pytest.mark.parametrize("waves", [(1, 10, 50, 100), (100,), (5, 20)])
def test_after_the_last_wave_it_is_through(waves: tuple[int, ...]) -> None:
    settings = Settings(groups=SETTINGS.groups, waves=waves)
    assert decided(waves[-1], told(members(200), waves[-1]), settings).verdict == "through"


@given(st.integers(0, 100), st.lists(st.sampled_from([None, "committed", "rolled back", "refused"]), max_size=40))
def test_it_never_goes_back_but_to_nothing(percent: int, outcomes: list[Outcome | None]) -> None:
    """And never on past a failure."""
    found = [Member(f"pi-{n}", "porch", NOW, outcome) for n, outcome in enumerate(outcomes)]
    decision = decided(percent, found)
    failed = [m.name for m in found if m.outcome in ("rolled back", "refused")]
    stops = any(bucket(NUMBER, name) < percent for name in failed)
    assert (decision.verdict == "stop") == stops
    assert (decision.verdict == "hold") == (bool(failed) and not stops)
    assert decision.percent == 0 if stops else decision.percent >= percent
    assert decision.percent == percent or not failed or stops
