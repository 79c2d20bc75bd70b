"""`tbft-edge fleet node`: a device takes part in rounds."""

from __future__ import annotations

from tbft_edge.commands.fleet.options import State
from tbft_edge.commands.fleet.services import CertificateOption, SuperlinkOption
from tbft_edge.commands.halves import extra
from tbft_edge.console import say


def command(
    state: State,
    superlink: SuperlinkOption,
    certificate: CertificateOption,
) -> None:
    """Take part in rounds until SIGTERM or Ctrl-C: train what the fleet signed, on this device's own images.

    Beside it runs Flower's SuperNode, which carries messages. No code that comes with one is run.
    """
    with extra("federated", "tbft_fleet.rounds.node"):
        from tbft_fleet.device.place import Place
        from tbft_fleet.rounds.node import run_node
        from tbft_fleet.rounds.supernode import Superlink

        run_node(Place(state), Superlink(superlink, certificate), say)
