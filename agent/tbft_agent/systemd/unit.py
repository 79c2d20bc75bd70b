"""The text of the unit, from the configuration and what of the machine it depends on (systemd.exec(5))."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tbft_agent.agent import CRASHES, HEALTHY_SECONDS
from tbft_agent.settings import LOOPBACK, Configured
from tbft_agent.versions import KEPT_BEFORE
from tbft_artifacts.errors import TbftError
from tbft_runtime.systemd.places import STATE, Places
from tbft_runtime.systemd.steps import USER
from tbft_runtime.systemd.syntax import begun_with, settings, unit, word
from tbft_runtime.systemd.walls import devices, file_system, walls

NAME = "tbft-edge-agent.service"
# Of an address on which every network of the board is heard.
_EVERYWHERE = ("0.0.0.0", "::")
_RESTART_SECONDS = 10
# The longest that a round of a healthy agent takes: to answer one picture, or to flush a new version to a slow card.
_WATCHDOG_SECONDS = 60
_START_SECONDS = 180
# The agent itself needs five.
_STOP_SECONDS = 20
# What answering takes beside the network: Python, ONNX Runtime, pictures that wait. The network lies there several
# times: as it answers, as it is loaded, and as the next one before it takes over.
_SERVING_BYTES = 256 << 20
_NETWORKS = 4
# What a look for releases takes beside the network that it measures: Python, ONNX Runtime, what it verifies with.
_PULLING_BYTES = 128 << 20


@dataclass(frozen=True)
class Machine:
    """`program` starts `tbft-edge`; `groups` are those that let the user of the service read what it has to.

    `devices` are those that tell power and throttling, and `weights` the bytes of the network's weights. `fingerprint`
    is that of the program and the configuration. `given` is a folder that the user of the service is to have, and
    `is_online`: its fleet is reached over a network.
    """

    program: tuple[str, ...]
    places: Places
    groups: tuple[str, ...]
    devices: tuple[str, ...]
    weights: int
    fingerprint: str
    given: Path | None = None
    is_online: bool = False


def unit_text(configured: Configured, machine: Machine) -> str:
    """Raises TbftError for a path that no unit can name."""
    sections = {
        "Unit": _unit(configured, machine),
        "Service": [
            *_process(configured, machine),
            "",
            *_files(configured, machine.places),
            "",
            *devices(machine.devices),
            "",
            *walls(),
            *([] if machine.is_online else _network(configured.settings.http.host)),
        ],
        "Install": settings(WantedBy="multi-user.target"),
    }
    return unit(sections)


def memory_max(configured: Configured, machine: Machine) -> int:
    """Bytes: what training may take, and answering beside it."""
    serving = _SERVING_BYTES + _NETWORKS * machine.weights
    pulling = 0 if configured.device is None else _PULLING_BYTES + machine.weights
    return configured.settings.adapt.memory_bytes + serving + pulling


def starts_before_giving_up() -> int:
    """After so many crashes every version that is kept has had its turn, and the bundle too."""
    return (CRASHES + 1) * (KEPT_BEFORE + 2)


def _unit(configured: Configured, machine: Machine) -> list[str]:
    starts = starts_before_giving_up()
    within = starts * (HEALTHY_SECONDS + _RESTART_SECONDS)
    host = configured.settings.http.host
    online = settings(Wants="network-online.target", After="network-online.target")
    return [
        "# Written by 'tbft-edge agent install'; changes belong into a drop-in (systemctl edit).",
        begun_with(machine.fingerprint),
        *settings(Description="tbft-edge agent: answers images and looks after its model"),
        *settings(RequiresMountsFor=[word(os.path.normpath(path)) for path in (configured.bundle, configured.state)]),
        *([] if host in (*LOOPBACK, *_EVERYWHERE) and not machine.is_online else online),
        "# The agent goes back to an older model after crashes; it is given up when the bundle crashes, too.",
        *settings(StartLimitIntervalSec=f"{within:.0f}", StartLimitBurst=str(starts)),
    ]


def _process(configured: Configured, machine: Machine) -> list[str]:
    words = [*machine.program, "agent", "run", str(configured.file)]
    most = memory_max(configured, machine)
    return [
        *settings(Type="notify"),
        "# With the colon nothing in the command is a variable.",
        *settings(ExecStart=" ".join([_program(words[0]), *map(word, words[1:])])),
        *settings(User=USER, Group=USER),
        *settings(SupplementaryGroups=[" ".join(machine.groups)] if machine.groups else []),
        *settings(Restart="on-failure", RestartSec=str(_RESTART_SECONDS), WatchdogSec=str(_WATCHDOG_SECONDS)),
        "# Of a signal that came while it started.",
        *settings(SuccessExitStatus="129 130 143"),
        "# The agent ends its training itself.",
        *settings(KillMode="mixed", TimeoutStartSec=str(_START_SECONDS), TimeoutStopSec=str(_STOP_SECONDS)),
        f"# {configured.settings.adapt.memory_bytes >> 20} MiB to train (`adapt.memory`), the rest to answer. Training "
        "is what is ended where that is too little.",
        *settings(MemoryMax=f"{most >> 20}M", OOMPolicy="continue"),
        *settings(CPUWeight="50"),
    ]


def _program(path: str) -> str:
    if any(letter in path for letter in "\"'\\"):
        raise TbftError(f"systemd starts nothing that is called '{path}'", "install tbft-edge in another folder")
    return word(f":{path}")


def _files(configured: Configured, places: Places) -> list[str]:
    made = places.state == STATE
    return [
        *(settings(StateDirectory=STATE.name, StateDirectoryMode="0700") if made else []),
        *file_system(places),
        "# Figures are for another program to read; all else the agent keeps to itself anyway.",
        *settings(UMask="0077" if configured.metrics is None else "0022"),
    ]


def _network(host: str) -> list[str]:
    if host not in LOOPBACK:
        return []
    return ["# Only the board itself is heard and told.", *settings(IPAddressDeny="any", IPAddressAllow="localhost")]
