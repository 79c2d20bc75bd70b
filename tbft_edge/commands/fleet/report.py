"""`tbft-edge fleet report`: a device tells its host how it is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.fleet.options import State
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, say

if TYPE_CHECKING:
    from tbft_agent.web.status import Status

_AGENT = ("tbft_agent.client", "tbft_agent.web.status")


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
    from tbft_fleet.device.health import board_health, health
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
    try:
        found = health(place)
    except TbftError as error:
        # What is wrong with its images, the host learns from what is missing; how the board is, from the rest.
        say(f"accuracy is not known: {error.message}")
        found = board_health(place)
    if agent is not None:
        found = msgspec.structs.replace(found, **_of_agent(agent))
    result = put(place, found, training=training, files=files)
    if json:
        print_json(Reported(str(result)))
        return
    print_line(str(result))


def _of_agent(config: Path) -> dict[str, float | None]:
    """What the agent of a configuration sees; nothing where none answers."""
    with extra("agent", *_AGENT):
        from tbft_agent.client import Client
        from tbft_agent.settings import read_settings
        from tbft_agent.web.status import Status
    try:
        status = Client(read_settings(config)).get("/api/status", Status)
    except TbftError as error:
        say(f"drift is not known: {error.message}")
        return {}
    wanted = max(0, status.labels_wanted - status.labels_there)
    return {"labels_wanted": wanted, "drift": _drift(status)}


def _drift(status: Status) -> float | None:
    """Of the last images: how far from normal, as a multiple of what is usual. The agent's distances are squared."""
    window = status.windows[-1] if status.windows else None
    if window is None or window.distance is None or not window.limit:
        return None
    return math.sqrt(max(window.distance, 0.0) / window.limit)
