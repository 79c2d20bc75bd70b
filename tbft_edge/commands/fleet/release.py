"""`tbft-edge fleet release`: a bundle for the devices of a fleet, the first wave of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbft_artifacts.signing.library import signing_library
from tbft_edge.commands.fleet.host_options import FleetArgument, GroupsOption
from tbft_edge.commands.options import ExpectIdOption, JsonOption
from tbft_edge.console import print_json, print_line, say


def command(
    fleet: FleetArgument,
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle, a .tar.gz.")],
    group: GroupsOption = None,
    plan: Annotated[
        str | None, typer.Option(metavar="ID", help="The plan that devices train of it by themselves.")
    ] = None,
    expect_id: ExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Sign a bundle and let the first wave of devices take it; 'deploy' opens the next waves."""
    with signing_library():
        from tbft_fleet.host.folder import open_fleet
        from tbft_fleet.host.release import Wanted, release

    made = release(open_fleet(fleet), Wanted(bundle, group or (), plan, expect_id))
    if json:
        print_json(made)
        return
    print_line(str(made.number))
    say(f"release {made.number} goes to {made.percent} % of {', '.join(made.groups)}; 'tbft-edge fleet deploy' goes on")
