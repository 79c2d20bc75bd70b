"""`tbft-edge fleet report`: a device tells its host how it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.fleet.options import State
from tbft_edge.commands.fleet.telling import how_it_is, send_what_waits
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line


class Reported(msgspec.Struct, frozen=True):
    """Where the signed result lies."""

    result: str


def command(
    state: State,
    run: Annotated[
        Path | None,
        typer.Option(help="A run of 'train' from the release that runs: its figures, and the weights that it changed."),
    ] = None,
    agent: Annotated[
        Path | None,
        typer.Option(metavar="CONFIG", help="The agent's agent.toml, if one runs here: its drift is told, too."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Sign how this device is now, and put that into its outbox, from where any carrier takes it to the host.

    That is the board's state, the disk, the clock, the version, and how often its release is right on labelled images
    of its own.
    """
    from tbft_fleet.device.outbox import put
    from tbft_fleet.device.place import Place

    place = Place(state)
    _ = place.device  # Before anything is said of it.
    training, files = None, None
    if run is not None:
        with extra("device", "tbft_fleet.device.learned"):
            from tbft_fleet.device.learned import learned
        number = place.current()
        release = place.release(number)
        if release is None:
            raise TbftError(
                f"no release runs in '{state}', of which '{run}' could be", "take one with 'tbft-edge fleet pull'"
            )
        training, files = learned(run, place.bundle(number), release.bundle_id)
    result = put(place, how_it_is(place, agent), training=training, files=files)
    if json:
        print_json(Reported(str(result)))
    else:
        print_line(str(result))
    send_what_waits(place)
