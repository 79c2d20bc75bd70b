"""Which share of the devices a release goes to next: decided of what they told, by nothing else."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tbft_fleet.files.names import Group
from tbft_fleet.files.release import Release
from tbft_fleet.files.result import Outcome
from tbft_fleet.files.waves import bucket, is_open
from tbft_fleet.host.settings import Settings

Verdict = Literal["open", "widen", "wait", "hold", "stop", "through"]


@dataclass(frozen=True)
class Member:
    """A device that is enrolled, when it was heard last, and how it did with the release in question, if it said so."""

    name: str
    group: Group
    heard_at: datetime
    outcome: Outcome | None = None
    why: str | None = None


@dataclass(frozen=True)
class Decision:
    """What becomes of the release of that number, which `percent` of the devices may take.

    open: the next wave, `percent`. widen: one of a group that nobody heard of is let in, since those that were are
    silent. wait: for `waiting`. hold: for a person, since `ahead` failed, to which its waves have not come. stop: too
    many `failed`. through: it has come to all. Names are those of the devices that may take the release; `silent` ones
    are not waited for, and of `damaged` ones, whose records cannot be read, nothing is known.
    """

    release: int
    verdict: Verdict
    percent: int
    committed: tuple[str, ...]
    failed: tuple[Member, ...]
    ahead: tuple[Member, ...]
    waiting: tuple[str, ...]
    silent: tuple[str, ...]
    damaged: tuple[str, ...]


def first_percent(
    settings: Settings, number: int, groups: Collection[Group], members: Sequence[Member], now: datetime
) -> int:
    """The first wave, with at least one device of each group that has any: one that was heard lately, if there is."""
    live = _live(settings, members, now)
    needed = [settings.waves[0]]
    for group in groups:
        there = [member for member in members if member.group == group]
        buckets = [bucket(number, member.name) for member in [m for m in there if m in live] or there]
        needed += [min(buckets) + 1] if buckets else []
    return max(needed)


def decide(
    settings: Settings, release: Release, members: Sequence[Member], now: datetime, damaged: tuple[str, ...] = ()
) -> Decision:
    """What comes next, of what every enrolled device is known to have done with the release, but for `damaged` ones."""
    members = [member for member in members if member.group in release.groups]
    live = _live(settings, members, now)
    wave = [member for member in members if is_open(release, member.name)]
    answered = [member for member in wave if member.outcome is not None]
    waiting = [member for member in wave if member.outcome is None and member in live]
    failed = tuple(member for member in answered if member.outcome != "committed")
    counted = len(answered) + len(waiting)
    # Whoever chose them, over SSH, knows why; but a device may also say so that never had it. It stops the waves, and
    # withdraws nothing.
    ahead = tuple(m for m in members if m.outcome not in (None, "committed") and not is_open(release, m.name))

    def decided(verdict: Verdict, percent: int) -> Decision:
        return Decision(
            release=release.number,
            verdict=verdict,
            percent=percent,
            committed=tuple(member.name for member in answered if member.outcome == "committed"),
            failed=failed,
            ahead=ahead,
            waiting=tuple(member.name for member in waiting),
            silent=tuple(member.name for member in wave if member.outcome is None and member not in live),
            damaged=damaged,
        )

    if len(failed) > settings.failed * counted:
        return decided("stop", 0)
    if len(failed) + len(ahead) > settings.failed * (counted + len(ahead)):
        return decided("hold", release.percent)
    # Of each group at least one has to show that the release is good, before others of it take it.
    heard = {member.group for member in (*answered, *waiting)}
    missing = {member.group for member in live} - heard
    if missing:
        buckets = [[bucket(release.number, m.name) for m in live if m.group == group] for group in missing]
        return decided("widen", max(map(min, buckets)) + 1)
    untested = {member.group for member in waiting} - {member.group for member in answered}
    if untested or not answered or len(answered) < math.ceil(settings.answered * counted):
        return decided("wait", release.percent)
    percent = _next(settings, release, members)
    return decided("through", release.percent) if percent is None else decided("open", percent)


def _next(settings: Settings, release: Release, members: Sequence[Member]) -> int | None:
    """The next wave that has a device more; the last one where none has, and None behind that."""
    later = [percent for percent in settings.waves if percent > release.percent]
    buckets = [bucket(release.number, member.name) for member in members]
    adding = (percent for percent in later if any(release.percent <= each < percent for each in buckets))
    return next(adding, later[-1] if later else None)


def _live(settings: Settings, members: Sequence[Member], now: datetime) -> list[Member]:
    patience = timedelta(hours=settings.silent_hours)
    return [member for member in members if now - member.heard_at <= patience]
