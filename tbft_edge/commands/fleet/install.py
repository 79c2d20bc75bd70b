"""`tbft-edge fleet install` and `uninstall`: a board that pulls by itself, every so often."""

from __future__ import annotations

from typing import Annotated

import typer

from tbft_edge.commands.fleet.options import State
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.commands.services import YesOption, carry_out_if

_OTHERWISE = "let cron run 'tbft-edge fleet pull' instead"


def install(
    state: State,
    every: Annotated[str, typer.Option(metavar="TIME", help="How often, such as 30min, 1h or 1d.")] = "1h",
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Show what makes a timer of systemd that pulls, and both units; with --yes do it, as root."""
    with extra("fleet", "tbft_fleet.device.timer"):
        from tbft_fleet.device.pulling import pulling
        from tbft_fleet.device.timer import to_install

        carry_out_if(yes, to_install(pulling(state.absolute(), every)), json, _OTHERWISE)


def uninstall(state: State, yes: YesOption = False, json: JsonOption = False) -> None:
    """Show what removes the timer; with --yes do it, as root. The board's folder stays."""
    with extra("fleet", "tbft_fleet.device.timer"):
        from tbft_fleet.device.timer import to_uninstall

        carry_out_if(yes, to_uninstall(state.absolute()), json, _OTHERWISE)
