"""`tbft-edge fleet release`: a bundle for the devices of a fleet, the first wave of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tbft_edge.commands.fleet.host_options import FleetArgument, GroupsOption
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import ExpectIdOption, JsonOption
from tbft_edge.console import print_json, print_line, say

# Per cent: more than half of whoever comes.
_LARGE_WAVE = 50


class MadeRelease(msgspec.Struct, frozen=True):
    """A release, its first wave in per cent of its groups, and the release that it is a delta of, if there is one."""

    number: int
    bundle_id: str
    groups: tuple[str, ...]
    percent: int
    parent: int | None


def command(
    fleet: FleetArgument,
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle: a folder, or a .tar.gz.")],
    group: GroupsOption = None,
    plan: Annotated[
        str | None, typer.Option(metavar="ID", help="The plan that devices train of it by themselves.")
    ] = None,
    expect_id: ExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Sign a bundle and let the first wave of devices take it; 'deploy' opens the next waves."""
    with extra("fleet"):
        from tbft_fleet.host.folder import open_fleet
        from tbft_fleet.host.release import Wanted, release

    opened = open_fleet(fleet)
    released = release(opened, Wanted(bundle, group or (), plan, expect_id))
    made, parent = released.release, released.parent
    if json:
        number = None if parent is None else parent.number
        print_json(MadeRelease(made.number, made.bundle_id, made.groups, made.percent, number))
        return
    print_line(str(made.number))
    say(f"release {made.number} goes to {made.percent} % of {', '.join(made.groups)}; 'tbft-edge fleet deploy' goes on")
    if made.percent > max(_LARGE_WAVE, opened.settings.waves[0]):
        say("its first wave is that large to have a board of each group: most boards that enrol now are of it, too")
    if parent is not None:
        say(f"devices that have the bundle of release {parent.number} fetch what is other in it")
    if not released.is_signed:
        say("devices with a trust file refuse it: 'export' and 'fleet derive' sign the bundle itself with --sign")
