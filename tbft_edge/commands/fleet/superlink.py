"""`tbft-edge fleet superlink`: where devices come for rounds."""

from __future__ import annotations

from tbft_edge.commands.fleet.host_options import FleetArgument, PortOption
from tbft_edge.commands.fleet.services import ListenOption
from tbft_edge.commands.halves import extra
from tbft_edge.console import say


def command(
    fleet: FleetArgument,
    listen: ListenOption,
    port: PortOption = 8000,
) -> None:
    """Let enrolled devices in until SIGTERM or Ctrl-C: Flower's SuperLink on loopback, and nginx before it.

    Nobody gets through to anything but what is for devices. Both know each other by certificates of the fleet's own CA.
    """
    with extra("federated", "tbft_fleet.rounds.superlink"):
        from tbft_fleet.host.devices import Devices
        from tbft_fleet.host.folder import open_fleet
        from tbft_fleet.rounds.superlink import Place, serve

        opened = open_fleet(fleet)
        place = Place((opened.folder / "rounds").absolute())
        serve(place, Devices(opened.devices), listen, port, say)
