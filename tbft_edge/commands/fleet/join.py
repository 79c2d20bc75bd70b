"""`tbft-edge fleet join`: a device makes its folder, and says who it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tbft_edge.commands.fleet.options import CarrierOption, State
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, quoted, say


class Joined(msgspec.Struct, frozen=True):
    """Who the device is, and the file that its host has to be given."""

    id: str
    group: str
    enrolment: str


def command(
    state: State,
    root: Annotated[Path, typer.Option(help="The fleet's root metadata, brought by somebody whom you trust.")],
    device: Annotated[str, typer.Option("--id", help="The device's name, unlike any other's in the fleet.")],
    group: Annotated[str, typer.Option(help="Whose releases it takes.")],
    carrier: CarrierOption = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Labelled images of its own, on which gates are measured: a folder of classes, or an .npz."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make the folder of a device with a key of its own, which never leaves it, and what the host enrols it by."""
    with extra("fleet", "tbft_fleet.device.trusted"):
        from tbft_fleet.device.join import join

        place = join(state, root, device, group, carrier, images)
    if json:
        print_json(Joined(device, group, str(place.enrolment)))
        return
    print_line(str(place.enrolment))
    say(f"carry {quoted(place.enrolment)} to the host: tbft-edge fleet enrol FLEET {quoted(place.enrolment.name)}")
