"""`tbft-edge fleet deploy`: the next wave of a release, if this one went well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tbft_edge.commands.fleet.host_options import FleetArgument
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, say

if TYPE_CHECKING:
    from tbft_fleet.host.waves import Decision

_NAMED = 10


def command(
    fleet: FleetArgument,
    release: Annotated[
        int | None, typer.Option(min=1, metavar="NUMBER", help="Which release; the newest one by default.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Look at what the devices of the wave told, and open the next one; withdraw the release if too many failed."""
    with extra("fleet"):
        from tbft_fleet.host.folder import open_fleet
        from tbft_fleet.host.release import deploy

    decision = deploy(open_fleet(fleet), release)
    if json:
        print_json(decision)
        return
    print_line(decision.verdict, f"{decision.percent} %")
    for line in _words(decision):
        say(line)


def _words(decision: Decision) -> list[str]:
    told = [f"{len(decision.committed)} devices committed"]
    if decision.failed:
        told.append(f"{len(decision.failed)} failed: {_some([member.name for member in decision.failed])}")
    if decision.waiting:
        told.append(f"{len(decision.waiting)} have not told yet: {_some(decision.waiting)}")
    if decision.silent:
        told.append(f"{len(decision.silent)} are silent, and not waited for: {_some(decision.silent)}")
    return told


def _some(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
