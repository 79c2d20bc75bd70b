"""`fleet pull` as systemd runs it, every so often (systemd.timer(5)): the text of both units."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_artifacts.program import program
from tbft_runtime.systemd.places import Places
from tbft_runtime.systemd.steps import UNITS, USER, Plan, given_to_user, installation, removal, user_and_folder
from tbft_runtime.systemd.syntax import settings, unit, word
from tbft_runtime.systemd.walls import devices, file_system, walls

SERVICE, TIMER = "tbft-edge-pull.service", "tbft-edge-pull.timer"
# A board that starts has other things to do.
_AFTER_START = "5min"
# The slowest line takes a bundle in that, and what hangs does not keep the next one from beginning.
_LONGEST = "2h"
_EVERY = re.compile(r"([1-9][0-9]{0,4})(min|h|d)")
_SECONDS = {"min": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Pulling:
    """What a unit depends on: `groups` let its user read what it has to, `throttling` are devices that tell of it.

    `is_own`: the folder is the services' user's already.
    """

    state: Path
    places: Places
    every: str
    groups: tuple[str, ...]
    throttling: tuple[str, ...]
    is_own: bool


def to_install(pulling: Pulling, units: Path = UNITS) -> Plan:
    """Raises TbftError for an interval, or a path, that no unit can name."""
    given = [] if pulling.is_own else [given_to_user(pulling.state)]
    return installation(
        TIMER,
        units,
        before=[*user_and_folder(pulling.state, made=False), *given],
        texts={SERVICE: _service(pulling), TIMER: _timer(pulling.every)},
        begin=[("systemctl", "enable", "--now", TIMER)],
        stays=f"'{pulling.state}' with the board's key and its releases stays, for the user {USER} alone",
    )


def to_uninstall(state: Path, units: Path = UNITS) -> Plan:
    """Raises TbftError if it is not installed."""
    stays = f"'{state}' with the board's key and its releases stays, and so does the user {USER}"
    return removal(TIMER, units, "nothing pulls by itself", stays, beside=(SERVICE,))


def _service(pulling: Pulling) -> str:
    command = [*program(), "fleet", "pull", str(pulling.state), "--timer"]
    sections = {
        "Unit": [
            "# Written by 'tbft-edge fleet install'; changes belong into a drop-in (systemctl edit).",
            *settings(Description="tbft-edge: takes the newest release of its fleet, if its gates pass"),
            *settings(Wants="network-online.target", After="network-online.target time-sync.target"),
            *settings(RequiresMountsFor=[word(str(pulling.state))]),
        ],
        "Service": [
            *settings(Type="oneshot", ExecStart=" ".join([f":{word(command[0])}", *map(word, command[1:])])),
            *settings(User=USER, Group=USER),
            *settings(SupplementaryGroups=[" ".join(pulling.groups)] if pulling.groups else []),
            *settings(TimeoutStartSec=_LONGEST, Nice="10", CPUWeight="20", UMask="0077"),
            "",
            *file_system(pulling.places),
            "",
            *devices(pulling.throttling),
            "",
            *walls(),
        ],
    }
    return unit(sections)


def _timer(every: str) -> str:
    found = _EVERY.fullmatch(every)
    if found is None:
        raise TbftError(f"`every` '{every}' is no interval", "for example 30min, 1h or 1d")
    # Not all boards of a fleet at the same moment.
    spread = int(found[1]) * _SECONDS[found[2]] // 4
    sections = {
        "Unit": settings(Description="tbft-edge: looks for releases of its fleet"),
        "Timer": settings(OnBootSec=_AFTER_START, OnUnitInactiveSec=every, RandomizedDelaySec=str(spread)),
        "Install": settings(WantedBy="timers.target"),
    }
    return unit(sections)
