"""Take devices into a fleet, give one another key, and revoke one."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tbft_artifacts.decode import decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.signing.envelope import LIMIT, verify, verify_by
from tbft_artifacts.signing.keys import public_key
from tbft_artifacts.signing.statement import Statement
from tbft_fleet.files.enrolment import PREDICATE_TYPE, Enrolment
from tbft_fleet.host.device import Device
from tbft_fleet.host.devices import Devices
from tbft_fleet.host.node_keys import check_node_key
from tbft_fleet.host.settings import Settings

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey


def read_enrolment(path: Path) -> tuple[Enrolment, bytes]:
    """What a device says of itself, signed by the very key that it names, and the file's content.

    Raises TbftError for a file that is none, or whose signature does not fit.
    """
    try:
        content = read_at_most(path, LIMIT)
    except OSError as error:
        raise unreadable(path, error) from error
    shown = f"enrolment '{path}'"
    statement = verify_by(content, lambda claimed: _own_key(claimed, shown), shown)
    return _enrolment(statement, shown), content


def enrol(devices: Devices, results: Path, path: Path, at: str, *, group: str | None, replace_key: bool) -> Device:
    """Let the device that an enrolment is of belong to the fleet, in its own group or in `group`.

    One that is there keeps what is known of it, also with a new key, if the old one signed the enrolment, too; else
    only with `replace_key`. Then it begins anew, and its `results` are put aside: who has that key may be anybody. With
    the key that it has it never does, unless the record is damaged: whatever that signed before would be new again.

    Raises TbftError for another key under a name that is taken, for a device that says another group than it is in,
    where no `group` is given, for one that was revoked, and for a key of its SuperNode that is none or another one's.
    """
    enrolment, content = read_enrolment(path)
    check_node_key(devices, enrolment)
    if replace_key:
        devices.put_aside_damaged(enrolment.device)
    known = devices.get(enrolment.device)
    fresh = Device(enrolment=enrolment, group=group or _group(known, enrolment), enrolled_at=at)
    if known is not None and not (replace_key and _is_another_key(known, enrolment)):
        fresh = replace(known, enrolment=enrolment, group=fresh.group)
        _check_same(known, enrolment, content, path)
    else:
        _put_aside(results / enrolment.device)
    devices.keep(fresh)
    return fresh


def check_group(settings: Settings, devices: Devices, enrolment: Enrolment) -> None:
    """Raises TbftError for a new device of a group that the fleet does not have: no release would ever be for it."""
    if enrolment.group in settings.groups or devices.is_whole(enrolment.device):
        return
    raise TbftError(
        f"device '{enrolment.device}' says that it is of group '{enrolment.group}', which is no group of this fleet",
        f"put it into another one with `group` (it has: {', '.join(settings.groups)}), or join it anew",
    )


def revoke(devices: Devices, name: str, at: str) -> Device:
    """Take nothing of a device any more. Raises TbftError if there is none of that name."""
    known = devices.need(name)
    revoked = known if known.revoked_at else replace(known, revoked_at=at)
    devices.keep(revoked)
    return revoked


def key_of(device: Device) -> SSlibKey:
    """The public half of its key."""
    return public_key(device.enrolment.public_key.encode(), f"device '{device.name}'")


def _group(known: Device | None, enrolment: Enrolment) -> str:
    """Its own one, unless the host put it elsewhere and the device says what it said then."""
    if known is None or enrolment.group == known.group:
        return enrolment.group
    if enrolment.group == known.enrolment.group:
        return known.group
    raise TbftError(
        f"device '{known.name}' is in group '{known.group}', and its enrolment says '{enrolment.group}'",
        "give the one that it shall be in: `group`",
    )


def _put_aside(results: Path) -> None:
    """No device can have the name that they get."""
    if results.exists():
        taken = sum(1 for _ in results.parent.glob(f"{results.name}~*"))
        results.rename(results.with_name(f"{results.name}~{taken + 1}"))


def _check_same(known: Device, enrolment: Enrolment, content: bytes, path: Path) -> None:
    if known.revoked_at is not None:
        raise TbftError(
            f"device '{known.name}' was revoked at {known.revoked_at}",
            "if it is trusted again, join it anew and give `replace`",
        )
    if not _is_another_key(known, enrolment):
        return
    with contextlib.suppress(TbftError):
        verify(content, [key_of(known)], "")
        return
    raise TbftError(
        f"'{path}' has another key than device '{known.name}' has, which did not sign it",
        "if it is that device, and its old key is lost, give `replace`",
    )


def _is_another_key(known: Device, enrolment: Enrolment) -> bool:
    fresh = public_key(enrolment.public_key.encode(), f"device '{enrolment.device}'")
    return bool(fresh.keyid != key_of(known).keyid)


def _own_key(claimed: Statement, shown: str) -> Sequence[SSlibKey]:
    return [public_key(_enrolment(claimed, shown).public_key.encode(), shown)]


def _enrolment(statement: Statement, shown: str) -> Enrolment:
    if statement.predicate_type != PREDICATE_TYPE:
        raise TbftError(f"{shown} states something else", "give the file that 'tbft-edge fleet join' wrote")
    return decode(
        bytes(statement.predicate), Enrolment, LIMIT, failed=f"{shown} cannot be read", hint="join the device again"
    )
