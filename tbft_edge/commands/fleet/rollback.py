"""`tbft-edge fleet rollback`: an earlier bundle again, under a new number."""

from __future__ import annotations

from typing import Annotated

import typer

from tbft_edge.commands.fleet.host_options import FleetArgument, GroupsOption
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, say


def command(
    fleet: FleetArgument,
    to: Annotated[int, typer.Option(min=1, metavar="NUMBER", help="The release whose bundle shall run again.")],
    group: GroupsOption = None,
    json: JsonOption = False,
) -> None:
    """Release the bundle of an earlier release again, for all devices of its groups that got another one since."""
    with extra("fleet"):
        from tbft_fleet.host.folder import open_fleet
        from tbft_fleet.host.release import roll_back

    made = roll_back(open_fleet(fleet), to, group or ())
    if json:
        print_json(made)
        return
    print_line(str(made.number))
    say(f"release {made.number} is the bundle of release {to}, for all devices of {', '.join(made.groups)}")
