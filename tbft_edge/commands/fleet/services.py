"""`tbft-edge fleet install-node`, `install-superlink`, and what removes them: rounds that begin with the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbft_edge.commands.fleet.host_options import FleetArgument, PortOption
from tbft_edge.commands.fleet.options import State
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.commands.services import YesOption, carry_out_if

SuperlinkOption = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Where 'fleet superlink' lets devices in, on the host.")
]
CertificateOption = Annotated[
    Path, typer.Option(help="The certificate of the fleet's CA, from the host: FLEET/rounds/ca.crt.")
]
ListenOption = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="This host as devices know it, such as 10.0.0.1:8443.")
]
_NODE, _SUPERLINK = "run 'tbft-edge fleet node' itself", "run 'tbft-edge fleet superlink' itself"


def install_node(
    state: State,
    superlink: SuperlinkOption,
    certificate: CertificateOption,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Show what makes a service of 'fleet node' that starts with the board, and the unit; with --yes do it, as root."""
    with extra("federated", "tbft_fleet.rounds.installing"):
        from tbft_fleet.rounds.installing import node_to_install
        from tbft_fleet.rounds.supernode import Superlink

        carry_out_if(yes, node_to_install(state, Superlink(superlink, certificate)), json, _NODE)


def uninstall_node(state: State, yes: YesOption = False, json: JsonOption = False) -> None:
    """Show what removes that service; with --yes do it, as root. The board's folder stays."""
    with extra("fleet", "tbft_fleet.rounds.services"):
        from tbft_fleet.rounds.services import NODE, to_uninstall

        stays = f"'{state.absolute()}' with the board's key and its releases stays"
        carry_out_if(yes, to_uninstall(NODE, stays), json, _NODE)


def install_superlink(
    fleet: FleetArgument,
    listen: ListenOption,
    port: PortOption = 8000,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Show what makes a service of 'fleet superlink', as the fleet's user, and the unit; with --yes do it, as root."""
    with extra("federated", "tbft_fleet.rounds.installing"):
        from tbft_fleet.rounds.installing import superlink_to_install

        carry_out_if(yes, superlink_to_install(fleet, listen, port), json, _SUPERLINK)


def uninstall_superlink(fleet: FleetArgument, yes: YesOption = False, json: JsonOption = False) -> None:
    """Show what removes that service; with --yes do it, as root. The fleet's folder stays."""
    with extra("fleet", "tbft_fleet.rounds.services"):
        from tbft_fleet.rounds.services import SUPERLINK, to_uninstall

        carry_out_if(yes, to_uninstall(SUPERLINK, f"'{fleet.absolute()}' stays"), json, _SUPERLINK)
