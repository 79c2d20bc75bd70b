"""What a fleet is set to: its file `fleet.toml`, every field of which has a default but for the groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from tbft_artifacts.decode import MIB, decode_toml, said
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.structs import Part, Word
from tbft_fleet.files.gates import Gates
from tbft_fleet.files.names import Group
from tbft_fleet.files.release import Release
from tbft_fleet.files.round import NormsPolicy

FILE = "fleet.toml"
_HINT = "see docs/fleet.md for every field"

Days = Annotated[int, Meta(ge=1, le=36_500)]
Percent = Annotated[int, Meta(ge=1, le=100)]


class Expiry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days until what a key signed has to be signed again; `online` signs snapshot and timestamp."""

    root: Days = 730
    targets: Days = 365
    online: Days = 30


class GroupSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`gates` of a group count instead of those for all, not beside them."""

    gates: Gates | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`waves` are per cent of each group, and each is more than the one before.

    A wave is through when `answered` of its devices said how it went, and no more than `failed` of these (both 0 to 1)
    did not commit. A device that was not heard for `silent_hours` is counted in neither. `norms` is, by the id of a
    plan, what becomes of statistics of batch norms in a merge, where that is not what the plan does by default.
    """

    groups: Annotated[dict[Group, GroupSettings], Meta(min_length=1, max_length=1000)]
    waves: Annotated[tuple[Percent, ...], Meta(min_length=1, max_length=100)] = (1, 10, 50, 100)
    answered: Annotated[float, Meta(gt=0, le=1)] = 0.9
    failed: Part = 0.0
    silent_hours: Annotated[float, Meta(gt=0, le=1e6)] = 48.0
    gates: Gates = Gates()
    expiry: Expiry = Expiry()
    norms: Annotated[dict[Word, NormsPolicy], Meta(max_length=1000)] = {}

    def gates_of(self, groups: Sequence[Group]) -> Gates:
        """Of a release for these groups. Raises TbftError for a group that is not there, and for gates that differ."""
        for group in groups:
            if group not in self.groups:
                raise TbftError(f"'{group}' is no group of this fleet", f"it has: {', '.join(self.groups)}; see {FILE}")
        first, *others = (self.groups[group].gates or self.gates for group in groups)
        if any(other != first for other in others):
            raise TbftError(
                f"groups {', '.join(groups)} have other gates than each other", "release for each by itself: `group`"
            )
        return first


def read_settings(file: Path) -> Settings:
    """Raises TbftError for a file that is not there, no TOML, or says what no fleet is set to."""
    try:
        content = read_at_most(file, MIB)
    except FileNotFoundError as error:
        raise TbftError(
            f"'{file.parent}' is no fleet: it has no {FILE}", "make one with 'tbft-edge fleet init'"
        ) from error
    except OSError as error:
        raise unreadable(file, error) from error
    found = decode_toml(content, Settings, MIB, failed=f"'{file}' cannot be read", hint=_HINT)
    if list(found.waves) != sorted({*found.waves}):
        raise TbftError(
            f"'{file}': waves {list(found.waves)} do not grow from one to the next", "such as [1, 10, 50, 100]"
        )
    return found


def written(groups: Sequence[Group]) -> str:
    """The file of a new fleet, with a word on each field. Raises TbftError for a group of a name that none has."""
    groups = tuple(dict.fromkeys(groups))
    try:
        msgspec.convert({"groups": {group: {} for group in groups}}, Settings)
    except msgspec.ValidationError as error:
        raise TbftError(
            f"groups {', '.join(map(repr, groups))} cannot be: {said(error)}",
            "give each a name of lower-case letters, digits and hyphens, 63 at most",
        ) from error
    tables = "\n\n".join(f"[groups.{group}]" for group in groups)
    return _WRITTEN.format(groups=tables)


def next_wave(settings: Settings, release: Release) -> int | None:
    """The percentage behind the one that a release is at; None behind the last."""
    return next((percent for percent in settings.waves if percent > release.percent), None)


_WRITTEN = """\
# Waves of a release: per cent of each group. The first has at least one device of each group.
waves = [1, 10, 50, 100]

# A wave is through when this part of its devices has answered ...
answered = 0.9
# ... and no more than this part of those that answered failed: 0 is none.
failed = 0.0
# Who was not heard for so long is not waited for.
silent_hours = 48

# What a release must show on each device, on that device's own images, before it stays. Also there, switched off
# unless set: accuracy (0 to 1, at least), drop (points of accuracy below the release before, at most), latency
# (milliseconds of 95 % of the answers, at most), temperature (degrees Celsius, at most).
[gates]
doctor = true
throttling = true
# Those that fail where they cannot be measured; others are passed over there.
required = ["doctor"]

# Days until what a key signed has to be signed again. 'tbft-edge fleet keys renew' does so.
[expiry]
root = 730
targets = 365
online = 30

# What becomes of running statistics of batch norms where trainings of a plan are merged, by the plan's id: "merge",
# "local" or "frozen". Without a line: "frozen" where the plan leaves them as they are, else "merge".
[norms]
# input-batch-sgd = "local"

# The groups. One with a table of its own, such as [groups.NAME.gates], has those gates instead of the ones above.
{groups}
"""
