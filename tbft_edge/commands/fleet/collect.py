"""`tbft-edge fleet collect`: take what devices tell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.fleet.host_options import FleetArgument
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, say
from tbft_edge.figures import count


def command(
    fleet: FleetArgument,
    inboxes: Annotated[list[str], typer.Argument(help="Folders that a carrier filled with outboxes of devices.")],
    json: JsonOption = False,
) -> None:
    """Check results, and take those that are right; each other one is named with the reason.

    Exit code 0 if any was taken or was there already, or there was none at all, so that one bad device stops no script;
    2 if there were some, and none could be taken.
    """
    with extra("fleet"):
        from tbft_fleet.host.collecting import collect
        from tbft_fleet.host.devices import Devices
        from tbft_fleet.host.folder import open_fleet
        from tbft_fleet.host.inbox import inbox_of
        from tbft_fleet.host.metadata import now

    if "" in inboxes:  # As a path that is the folder in which somebody happens to be.
        raise TbftError("a folder without a name cannot hold results", "give one that a carrier filled")
    opened = open_fleet(fleet)
    places = [Path(inbox) for inbox in inboxes]
    found = collect(inbox_of(opened, Devices(opened.devices)), places, now().isoformat())
    if json:
        print_json(found)
    for accepted in () if json else found.taken:
        print_line(accepted.device, str(accepted.counter))
    for refused in found.refused:
        say(f"refused {refused.folder}: {refused.why}")
    say(
        f"{count(len(found.taken), 'result')} taken, {found.already_there:,} already there, "
        f"{len(found.refused):,} refused"
    )
    if found.refused and not found.taken and not found.already_there:
        raise TbftError(
            f"none of {count(len(found.refused), 'result')} could be taken", "the lines above say why, of each"
        )
