"""What installing or removing the service does: told first, done when somebody says so."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from tbft_agent.settings import Configured
from tbft_agent.systemd.machine import account
from tbft_agent.systemd.places import STATE
from tbft_agent.systemd.unit import NAME, USER, Machine, unit_text
from tbft_artifacts.atomic import atomic_file, clear_disk_errors
from tbft_artifacts.errors import TbftError

UNITS = Path("/etc/systemd/system")
# There where systemd is what runs the machine (sd_booted(3)).
_RUNNING = Path("/run/systemd/system")
_RIGHTS = 0o644
_ADD_USER = ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of: a command that runs, a file that is written, a file that is removed."""

    run: tuple[str, ...] = ()
    write: str | None = None
    remove: str | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Steps in their order, the text of the unit that they write, what stays as it is, and whether it was done."""

    steps: tuple[Step, ...]
    unit: str | None
    stays: str
    done: bool = False


def to_install(configured: Configured, machine: Machine, units: Path = UNITS) -> Plan:
    """Raises TbftError for what no unit can name."""
    steps = []
    if account().user is None:
        steps.append(Step(run=(*_ADD_USER, "--shell", "/usr/sbin/nologin", USER)))
    state = machine.places.state
    if state != STATE and not state.exists():
        steps.append(Step(run=("install", "-d", "-m", "0700", "-o", USER, "-g", USER, "--", str(state))))
    steps += [
        Step(write=str(units / NAME)),
        Step(run=("systemctl", "daemon-reload")),
        Step(run=("systemctl", "enable", NAME)),
        # Also where an older unit runs already.
        Step(run=("systemctl", "restart", NAME)),
    ]
    return Plan(
        steps=tuple(steps),
        unit=unit_text(configured, machine),
        stays=f"what the agent keeps is in '{state}', for its user alone; '{configured.file}' stays as it is",
    )


def to_uninstall(state: Path | None, units: Path = UNITS) -> Plan:
    """Raises TbftError if it is not installed."""
    path = units / NAME
    if not path.exists():
        raise TbftError(f"'{path}' is not there: no agent is installed", "nothing has to be removed")
    where = "what the agent keeps" if state is None else f"'{state}' with models and images"
    return Plan(
        steps=(
            Step(run=("systemctl", "disable", "--now", NAME)),
            Step(remove=str(path)),
            Step(run=("systemctl", "daemon-reload")),
        ),
        unit=None,
        stays=f"{where} stays, and so does the user {USER}",
    )


def carry_out(plan: Plan, run: Callable[[Sequence[str]], None]) -> Plan:
    """Do it. Raises TbftError at the first step that fails; nothing that was done is undone."""
    for step in plan.steps:
        if step.run:
            run(step.run)
        if step.write is not None and plan.unit is not None:
            with atomic_file(Path(step.write), mode=_RIGHTS) as temporary:
                temporary.write_text(plan.unit, encoding="utf-8")
        if step.remove is not None:
            with clear_disk_errors(Path(step.remove)):
                Path(step.remove).unlink(missing_ok=True)
    return msgspec.structs.replace(plan, done=True)


def check_may(running: Path = _RUNNING) -> None:
    """Raise TbftError unless this is root, on a machine that systemd runs."""
    if os.geteuid() != 0:
        raise TbftError("only root installs and removes services", "put sudo before the command")
    if not running.is_dir():
        raise TbftError("systemd does not run this machine", "run 'tbft-edge agent CONFIG', or a container")


def run_as_root(command: Sequence[str]) -> None:
    """Raises TbftError with what the command says if it fails."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise TbftError(
            f"'{command[0]}' cannot be run ({error.strerror})", "is this Debian, or Raspberry Pi OS?"
        ) from error
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        raise TbftError(f"'{' '.join(command)}' failed: {said[0]}", f"journalctl --unit {NAME} says more")
