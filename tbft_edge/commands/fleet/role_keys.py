"""`tbft-edge fleet keys list`, `rotate` and `renew`: the keys that a fleet's releases rest on."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tbft_edge.commands.fleet.host_options import FleetArgument
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, say

if TYPE_CHECKING:
    from tbft_fleet.host.repository import Ends

_SOON_DAYS = 14


class KeyChoice(StrEnum):
    """Those of `tbft_fleet.host.keys.KEYS`, which help names without importing TUF."""

    root = "root"
    targets = "targets"
    online = "online"


class ShownKey(msgspec.Struct, frozen=True):
    """A key of a fleet, and until when what it signed counts (ISO 8601)."""

    key: str
    ids: tuple[str, ...]
    is_here: bool
    expires: str
    days: int


class Rotated(msgspec.Struct, frozen=True):
    """The new key of a role."""

    key: str
    id: str


def list_keys(fleet: FleetArgument, json: JsonOption = False) -> None:
    """Say which keys the fleet has, whether each is here, and until when what it signed counts."""
    with extra("fleet"):
        from tbft_fleet.host.folder import open_fleet

    _print(open_fleet(fleet).repository.ends(), json)


def rotate_key(
    fleet: FleetArgument,
    key: Annotated[KeyChoice, typer.Argument(metavar="KEY", help="root, targets or online (snapshot and timestamp).")],
    json: JsonOption = False,
) -> None:
    """Give the fleet a new key in the place of one that was lost, stolen or is old. Takes the root key."""
    with extra("fleet"):
        from tbft_fleet.host.folder import open_fleet
        from tbft_fleet.host.rotation import rotate

    found = open_fleet(fleet)
    with found.held():
        made = rotate(found.repository, key.value)
    if json:
        print_json(Rotated(key.value, made))
        return
    print_line(made)
    say(f"devices trust the new {key} key from their next look on, and the old one no more")


def renew(fleet: FleetArgument, json: JsonOption = False) -> None:
    """Sign what expires anew: snapshot and timestamp, and the others where half of their time is over."""
    with extra("fleet"):
        from tbft_fleet.host.folder import open_fleet

    found = open_fleet(fleet)
    with found.held():
        found.repository.renew()
    _print(found.repository.ends(), json)


def _print(ends: tuple[Ends, ...], json: bool) -> None:
    from tbft_fleet.host.metadata import now

    shown = [
        ShownKey(each.key, each.ids, each.is_here, each.expires.isoformat(), (each.expires - now()).days)
        for each in ends
    ]
    if json:
        print_json(shown)
        return
    for each in shown:
        place = "here" if each.is_here else "elsewhere"
        print_line(each.key, place, f"until {each.expires[:10]}", ", ".join(key[:12] for key in each.ids))
        if each.days < _SOON_DAYS:
            ended = "expired" if each.days < 0 else f"expires in {each.days} days"
            say(f"what {each.key} signed {ended}: devices take nothing new then; renew it")
