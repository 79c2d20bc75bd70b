"""`tbft-edge fleet enrol`: let devices belong to a fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.fleet.host_options import FleetArgument
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, say


class Enrolled(msgspec.Struct, frozen=True):
    """A device, and the group that it is in."""

    device: str
    group: str


def command(
    fleet: FleetArgument,
    enrolments: Annotated[list[Path], typer.Argument(help="What 'fleet join' wrote on each: enrolment.dsse.json.")],
    group: Annotated[
        str | None,
        typer.Option(help="Put them into this group instead of their own; one that changes its group needs it."),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Take another key under a name that is taken, though the old one did not sign it: the device begins "
            "anew, and its earlier results are put aside.",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Take devices in, by the key that each made for itself: from then on their results count.

    Look where an enrolment comes from: whoever can put one among them has a device in the fleet.
    """
    with extra("fleet"):
        from tbft_fleet.host.devices import Devices
        from tbft_fleet.host.enrolling import check_group, enrol, read_enrolment
        from tbft_fleet.host.folder import open_fleet
        from tbft_fleet.host.metadata import now

    found = open_fleet(fleet)
    if group is not None:
        found.settings.gates_of([group])  # Which knows the groups that there are.
    devices, at = Devices(found.devices), now().isoformat()
    taken = list[Enrolled]()
    with devices.held():
        # All of them, before the first is taken.
        stated = [read_enrolment(path)[0] for path in enrolments]
        if group is None:
            for each in stated:
                check_group(found.settings, devices, each)
        try:
            for path in enrolments:
                device = enrol(devices, found.results, path, at, group=group, replace_key=replace)
                taken.append(Enrolled(device.name, device.group))
                if not json:
                    print_line(device.name, device.group)
        except TbftError:
            if json and taken:
                print_json(taken)
            raise
    if json:
        print_json(taken)
    say(f"{len(taken):,} enrolled")
