"""`tbft-edge fleet pull`: a device takes what is new, and keeps it if its gates pass."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.fleet.options import CarrierOption, State
from tbft_edge.commands.fleet.telling import send_what_waits, tell_if_silent
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, say

if TYPE_CHECKING:
    from tbft_fleet.device.ongoing import Ongoing
    from tbft_fleet.device.place import Place
    from tbft_fleet.device.update import Ended
    from tbft_fleet.files.result import Outcome, Update

# A release did not stay: somebody should know, also who only looks at exit codes.
NOT_KEPT_EXIT_CODE = 1


class Pulled(msgspec.Struct, frozen=True):
    """The release that runs now (0: none), and how the newest that was tried ended; None where nothing was new."""

    current: int
    release: int | None
    outcome: Outcome | None
    why: str | None
    updates: list[Ended]
    # Why the server was left alone; None of one that was asked.
    waits: str | None = None


def command(
    state: State,
    carrier: CarrierOption = None,
    ahead: Annotated[
        bool, typer.Option("--ahead", help="Take it though its wave has not come to this device: others choose them.")
    ] = False,
    timer: Annotated[
        bool,
        typer.Option(
            "--timer",
            help="As a timer does: leave a server that failed alone, for longer each time; report once a day.",
        ),
    ] = False,
    agent: Annotated[
        Path | None,
        typer.Option(
            metavar="CONFIG", help="The agent's agent.toml, if one runs here: with --timer its drift is told."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Take what is new until nothing is: verify, stage, switch, gate, and then commit or roll back.

    What was interrupted at any moment goes on. Exit code 0 also where nothing was new, 1 if a release did not stay.
    """
    with extra("fleet", "tbft_fleet.device.repository"):
        from tbft_fleet.device.place import Place

        place = Place(state)
        _ = place.device
        try:
            _pull(place, carrier, ahead, timer, json)
        except (TbftError, typer.Exit):
            _tell_host(place, timer, agent)
            raise
        _tell_host(place, timer, agent)


def _tell_host(place: Place, timer: bool, agent: Path | None) -> None:
    if timer:
        tell_if_silent(place, agent)
    send_what_waits(place)


def _pull(place: Place, carrier: str | None, ahead: bool, timer: bool, json: bool) -> None:
    from tbft_fleet.device.health import board_health
    from tbft_fleet.device.outbox import put
    from tbft_fleet.device.patience import LeftAloneError, counting_failures
    from tbft_fleet.device.repository import repository
    from tbft_fleet.device.update import pull

    updates: list[Ended] = []

    def told(update: Update, accuracy: float | None) -> None:
        put(place, msgspec.structs.replace(board_health(place), accuracy=accuracy), update=update)

    try:
        with counting_failures(repository(place, carrier, say, ahead), timer) as source:
            for ended in pull(place, source, told, _tell):
                updates.append(ended)
                if not json:
                    _show(ended)
    except LeftAloneError as error:
        say(error.message)
        if not updates:
            if json:
                print_json(Pulled(place.current(), None, None, None, [], waits=error.message))
            return
    except TbftError:
        # What ended is told, though the next one did not.
        if json and updates:
            _print(place.current(), updates)
        raise
    current = place.current()
    if json:
        _print(current, updates)
    elif not updates:
        print_line(f"nothing new: {f'release {current} runs' if current else 'no release runs yet'}")
    if any(ended.outcome != "committed" for ended in updates):
        raise typer.Exit(NOT_KEPT_EXIT_CODE)


def _print(current: int, updates: list[Ended]) -> None:
    # Where that failed, an older one may have been taken behind it.
    newest = max(updates, key=lambda ended: ended.release, default=None)
    print_json(
        Pulled(
            current,
            None if newest is None else newest.release,
            None if newest is None else newest.outcome,
            None if newest is None else newest.why,
            updates,
        )
    )


def _tell(ongoing: Ongoing) -> None:
    if not ongoing.has_ended:
        say(f"release {ongoing.number}: {ongoing.state}")


def _show(ended: Ended) -> None:
    for judged in ended.gates:
        say(f"  {judged.gate} {judged.verdict}: {judged.text}")
    why = "" if ended.why is None else f": {ended.why}"
    print_line(f"release {ended.release} {ended.outcome}{why}")
