"""What a device tells its host, whichever command it does so in."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.halves import extra
from tbft_edge.console import say
from tbft_edge.figures import count

if TYPE_CHECKING:
    from tbft_agent.web.status import Status
    from tbft_fleet.device.place import Place
    from tbft_fleet.files.result import Health

_AGENT = ("tbft_agent.client", "tbft_agent.web.status")


def how_it_is(place: Place, agent: Path | None) -> Health:
    """Of the device at `place`, whose agent has the configuration `agent`; what is not known is said."""
    from tbft_fleet.device.health import board_health, health

    try:
        found = health(place)
    except TbftError as error:
        # What is wrong with its images, the host learns from what is missing; how the board is, from the rest.
        say(f"accuracy is not known: {error.message}")
        found = board_health(place)
    return found if agent is None else msgspec.structs.replace(found, **_of_agent(agent))


def tell_if_silent(place: Place, agent: Path | None) -> None:
    """Sign `how_it_is`, if the device said nothing for a day. What goes wrong is said: an update is worth more."""
    from tbft_fleet.device.outbox import put
    from tbft_fleet.device.silence import is_silent

    try:
        if is_silent(place):
            say(f"how this device is: {put(place, how_it_is(place, agent))}")
    except TbftError as error:
        say(f"nothing is told: {error.message}")


def send_what_waits(place: Place) -> None:
    """Send what the outbox holds, if the device's settings say where to. What was not taken is said, and waits."""
    from tbft_fleet.device.sending import UnsentError, send

    url = place.device.results
    if url is None:
        return
    try:
        sent = send(place, url)
    except UnsentError as error:
        say(f"{error.message}; {error.hint}")
        sent = error.sent
    except TbftError as error:
        say(f"nothing is sent: {error.message}")
        return
    if sent:
        say(f"{count(sent, 'result')} sent")


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
