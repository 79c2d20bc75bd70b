"""`tbft-edge fleet status`: how a fleet is, on the terminal, as JSON or as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbft_edge.commands.fleet.host_options import FleetArgument
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, quoted, say


def command(
    fleet: FleetArgument,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page instead, which loads nothing and runs nothing.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say how many run their release, what needs a person, how each device is, and how releases and rounds got on.

    All of it is from results that were collected, and nothing is asked of any device.
    """
    with extra("fleet"):
        from tbft_fleet.host.folder import open_fleet
        from tbft_fleet.host.metadata import now
        from tbft_fleet.host.reading import read_status

    found = read_status(open_fleet(fleet), now())
    if html is not None:
        from tbft_artifacts.atomic import atomic_file
        from tbft_edge.pages.fleet_page import fleet_page

        with atomic_file(html) as temporary:
            temporary.write_text(fleet_page(found), encoding="utf-8")
        say(f"open {quoted(html)} in a browser")
    if json:
        print_json(found)
    if json or html is not None:
        return
    from tbft_edge.tables.fleet import device_table, status_lines
    from tbft_edge.tables.table import show

    for line in status_lines(found):
        print_line(line)
    if found.devices:
        show(device_table(found))
