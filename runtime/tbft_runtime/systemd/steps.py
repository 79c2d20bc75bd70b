"""What installing or removing a service does: told first, done when somebody says so."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from tbft_artifacts.atomic import atomic_file, clear_disk_errors
from tbft_artifacts.errors import TbftError
from tbft_runtime.systemd.access import Account

UNITS = Path("/etc/systemd/system")
USER = "tbft-edge"
RELOAD = ("systemctl", "daemon-reload")
# There where systemd is what runs the machine (sd_booted(3)).
_RUNNING = Path("/run/systemd/system")
_RIGHTS = 0o644
# Of a unit that begins with the machine, runs, and is the one that is written there.
_UP = {"ActiveState=active", "UnitFileState=enabled", "NeedDaemonReload=no"}
_ADD_USER = ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of: a command that runs, a file that is written, with its text, a file that is removed."""

    run: tuple[str, ...] = ()
    write: str | None = None
    text: str | None = None
    remove: str | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Steps in their order, none where nothing has to be done, what stays as it is, and whether it was done."""

    steps: tuple[Step, ...]
    stays: str
    done: bool = False


def account() -> Account:
    """Of the services' user."""
    try:
        found = pwd.getpwnam(USER)
    except KeyError:
        return Account(None, None)
    return Account(found.pw_uid, found.pw_gid)


def user_and_folder(state: Path, made: bool) -> list[Step]:
    """What makes the services' user, and its folder `state` unless systemd does (`made`), if they are not there."""
    steps = []
    if account().user is None:
        steps.append(Step(run=(*_ADD_USER, "--shell", "/usr/sbin/nologin", USER)))
    if not made and not state.exists():
        steps.append(Step(run=("install", "-d", "-m", "0700", "-o", USER, "-g", USER, "--", str(state))))
    return steps


def given_to_user(folder: Path) -> Step:
    """What gives a folder, with all that is in it, to the services' user."""
    return Step(run=("chown", "-R", f"{USER}:{USER}", "--", str(folder)))


def installation(
    name: str,
    units: Path,
    before: Sequence[Step],
    texts: Mapping[str, str],
    begin: Sequence[tuple[str, ...]],
    stays: str,
) -> Plan:
    """What makes units of `texts`, by their names, after what has to be done `before`, and begins `name` by `begin`.

    What is as it should be is left alone: no unit is written that says the same, and none begins anew without a reason.
    """
    written = [Step(write=str(units / each), text=text) for each, text in texts.items() if _text(units / each) != text]
    if not before and not written and _is_up(name):
        return Plan(steps=(), stays=stays)
    return Plan(steps=(*before, *written, Step(run=RELOAD), *(Step(run=command) for command in begin)), stays=stays)


def removal(name: str, units: Path, missing: str, stays: str, beside: Sequence[str] = ()) -> Plan:
    """What ends the unit `name` and removes it, and those `beside` it that only it starts.

    Raises TbftError if it is not there: `missing` says what that means.
    """
    if not (units / name).exists():
        raise TbftError(f"'{units / name}' is not there: {missing}", "nothing has to be removed")
    return Plan(
        steps=(
            Step(run=("systemctl", "disable", "--now", name)),
            *(Step(remove=str(units / each)) for each in (name, *beside)),
            Step(run=RELOAD),
        ),
        stays=stays,
    )


def carry_out(plan: Plan, run: Callable[[Sequence[str]], None]) -> Plan:
    """Do it. Raises TbftError at the first step that fails; nothing that was done is undone."""
    for step in plan.steps:
        if step.run:
            run(step.run)
        if step.write is not None and step.text is not None:
            with atomic_file(Path(step.write), mode=_RIGHTS) as temporary:
                temporary.write_text(step.text, encoding="utf-8")
        if step.remove is not None:
            with clear_disk_errors(Path(step.remove)):
                Path(step.remove).unlink(missing_ok=True)
    return msgspec.structs.replace(plan, done=True)


def check_may(otherwise: str, running: Path = _RUNNING) -> None:
    """Raise TbftError unless this is root, on a machine that systemd runs; `otherwise` is the hint where it is not."""
    if os.geteuid() != 0:
        raise TbftError("only root installs and removes services", "put sudo before the command")
    if not running.is_dir():
        raise TbftError("systemd does not run this machine", otherwise)


def run_as_root(command: Sequence[str]) -> None:
    """Raises TbftError with what the command says if it fails."""
    try:
        ended = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except OSError as error:
        raise TbftError(
            f"'{command[0]}' cannot be run ({error.strerror})", "is this Debian, or Raspberry Pi OS?"
        ) from error
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        unit = command[-1] if command[0] == "systemctl" and command[-1].count(".") else "UNIT"
        raise TbftError(f"'{' '.join(command)}' failed: {said[0]}", f"journalctl --unit {unit} says more")


def _text(path: Path) -> str | None:
    """Of a unit; None where there is none that could be kept."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _is_up(name: str) -> bool:
    properties = ",".join(sorted(each.partition("=")[0] for each in _UP))
    asked = ("systemctl", "show", f"--property={properties}", name)
    try:
        told = subprocess.run(asked, capture_output=True, encoding="utf-8", errors="replace", check=False).stdout
    except OSError:
        return False
    return set(told.splitlines()) == _UP
