"""`tbft-edge fleet deploy`: the next wave of each release, if this one went well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.fleet.host_options import FleetArgument
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, say
from tbft_edge.figures import count

if TYPE_CHECKING:
    from tbft_fleet.host.waves import Decision

_NAMED = 10


class Deployed(msgspec.Struct, frozen=True):
    """What was decided of each release, or that it was `withdrawn`; and of those that stopped, why."""

    releases: tuple[Decision, ...] = ()
    stopped: tuple[str, ...] = ()
    withdrawn: int | None = None


def command(
    fleet: FleetArgument,
    release: Annotated[
        int | None,
        typer.Option(min=1, metavar="NUMBER", help="Which release; the newest one of each group by default."),
    ] = None,
    withdraw: Annotated[
        bool,
        typer.Option(
            "--withdraw",
            help="Withdraw the release, by default the newest one, whatever devices told: who did not take it yet will "
            "not.",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Look at what the devices of the wave told, and open the next one; withdraw the release if too many failed."""
    with extra("fleet"):
        from tbft_fleet.host import release as host
        from tbft_fleet.host.folder import open_fleet

    found = open_fleet(fleet)
    if withdraw:
        gone = host.withdraw(found, release).number
        if json:
            print_json(Deployed(withdrawn=gone))
            return
        print_line(f"release {gone}", "withdrawn")
        return
    decisions, stopped = host.deploy_all(found) if release is None else ((host.deploy(found, release),), ())
    if json:
        print_json(Deployed(decisions, tuple(error.message for error in stopped)))
    else:
        for decision in decisions:
            print_line(f"release {decision.release}", decision.verdict, f"{decision.percent} %")
            for line in _words(decision):
                say(line)
    if stopped:
        first, *others = stopped
        raise TbftError("; ".join([first.message, *(error.message for error in others)]), first.hint)


def _words(decision: Decision) -> list[str]:
    told = [f"{count(len(decision.committed), 'device')} committed"]
    if decision.failed:
        told.append(f"{len(decision.failed)} failed: {_some([member.name for member in decision.failed])}")
    if decision.waiting:
        told.append(f"{len(decision.waiting)} did not tell yet: {_some(decision.waiting)}")
    if decision.silent:
        told.append(f"{len(decision.silent)} silent, and not waited for: {_some(decision.silent)}")
    if decision.damaged:
        told.append(f"nothing is known of {_some(decision.damaged)}: 'tbft-edge fleet status' says why")
    return told


def _some(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
