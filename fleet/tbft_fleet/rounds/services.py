"""`fleet node` and `fleet superlink` as services of systemd, from the start of the machine (systemd.exec(5)).

Both stay, are begun again whatever they end of, and can reach little.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.program import program
from tbft_runtime.systemd.places import Places
from tbft_runtime.systemd.steps import UNITS, Plan, Step, installation, removal
from tbft_runtime.systemd.syntax import begun_with, settings, unit, word
from tbft_runtime.systemd.walls import devices, file_system, walls

NODE, SUPERLINK = "tbft-edge-node.service", "tbft-edge-superlink.service"
_RESTART_SECONDS = 30
# Both say every second that they live, but while they end a child, or wait for an answer from loopback.
_WATCHDOG_SECONDS = 300
# Keys and certificates are made at the first start.
_START_SECONDS = 180
# They need five.
_STOP_SECONDS = 20


@dataclass(frozen=True)
class Staying:
    """A service: its unit's name, what it is, the `words` behind `tbft-edge`, and whose it is.

    `fingerprint` is that of the program and of what it is given. `groups` let the user read what it has to,
    `throttling` are devices that tell of it, `hidden` is what lies in its places and is none of its business, and
    `is_behind`: it gives way to what else the machine does.
    """

    name: str
    what: str
    words: tuple[str, ...]
    user: str
    group: str
    places: Places
    fingerprint: str
    groups: tuple[str, ...] = ()
    throttling: tuple[str, ...] = ()
    hidden: tuple[Path, ...] = ()
    is_behind: bool = False


def to_install(staying: Staying, before: tuple[Step, ...], stays: str, units: Path = UNITS) -> Plan:
    """`before` makes what it needs. Raises TbftError for a path that no unit can name."""
    return installation(
        staying.name,
        units,
        before=before,
        texts={staying.name: unit_text(staying)},
        # Also where an older unit runs already.
        begin=[("systemctl", "enable", staying.name), ("systemctl", "restart", staying.name)],
        stays=stays,
    )


def to_uninstall(name: str, stays: str, units: Path = UNITS) -> Plan:
    """Raises TbftError if it is not installed."""
    return removal(name, units, "it is not installed", stays)


def unit_text(staying: Staying) -> str:
    """Raises TbftError for a path that no unit can name."""
    start = [*program(), "fleet", *staying.words]
    sections = {
        "Unit": [
            "# Written by 'tbft-edge fleet'; changes belong into a drop-in (systemctl edit).",
            begun_with(staying.fingerprint),
            *settings(Description=f"tbft-edge: {staying.what}"),
            *settings(Wants="network-online.target", After="network-online.target time-sync.target"),
            *settings(RequiresMountsFor=[word(str(staying.places.state))]),
            "# It is begun again for as long as the machine runs: whoever it waits for may come back.",
            *settings(StartLimitIntervalSec="0"),
        ],
        "Service": [
            *settings(Type="notify", ExecStart=" ".join([f":{word(start[0])}", *map(word, start[1:])])),
            *settings(User=staying.user, Group=staying.group),
            *settings(SupplementaryGroups=[" ".join(staying.groups)] if staying.groups else []),
            *settings(Restart="on-failure", RestartSec=str(_RESTART_SECONDS), WatchdogSec=str(_WATCHDOG_SECONDS)),
            "# Of a signal that came while it started.",
            *settings(SuccessExitStatus="129 130 143"),
            "# It ends its children itself.",
            *settings(KillMode="mixed", TimeoutStartSec=str(_START_SECONDS), TimeoutStopSec=str(_STOP_SECONDS)),
            *(settings(Nice="10", CPUWeight="20") if staying.is_behind else []),
            *settings(UMask="0077"),
            "",
            *file_system(staying.places),
            *settings(InaccessiblePaths=[word(f"-{path}") for path in staying.hidden]),
            "",
            *devices(staying.throttling),
            "",
            *walls(),
        ],
        "Install": settings(WantedBy="multi-user.target"),
    }
    return unit(sections)
