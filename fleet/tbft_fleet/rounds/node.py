"""A device in rounds: its SuperNode and, in this process, its runner, until somebody ends it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tbft_artifacts.atomic import clear_disk_errors
from tbft_artifacts.errors import TbftError
from tbft_artifacts.locked import locked
from tbft_artifacts.notify import tell
from tbft_artifacts.rights import private_folder
from tbft_fleet.device.node_key import make_node_key
from tbft_fleet.device.place import Place
from tbft_fleet.rounds.runner import Runner
from tbft_fleet.rounds.supernode import Superlink, SuperNode, free_port
from tbft_fleet.rounds.training import Pupil
from tbft_fleet.rounds.trusted_keys import trusted_keys

# As often as a SuperNode asks for messages, about.
_LOOK_SECONDS = 1.0


def run_node(place: Place, superlink: Superlink, say: Callable[[str], None]) -> None:
    """Answer tasks until somebody interrupts, and tell systemd every second that all is well.

    Raises TbftError where Flower is not there in its version, this is no device's folder, or another node has it.
    """
    _ = place.device
    make_node_key(place.node_key)
    if not superlink.certificate.is_file():
        raise TbftError(
            f"there is no certificate '{superlink.certificate}'", "copy ca.crt from the fleet's folder, rounds/ca.crt"
        )
    with _held(place.rounds):
        node = SuperNode(place.rounds, place.node_key, free_port())
        pupil = Pupil(place, lambda: trusted_keys(place), _alive)
        child, runner = node.child(superlink, say), Runner(node.api, lambda parcel: pupil.answer(parcel).parcel, say)
        try:
            tell("READY=1")
            while True:
                is_there = child.keep()
                if not (is_there and runner.step()):
                    time.sleep(_LOOK_SECONDS)
                _alive()
        finally:
            tell("STOPPING=1")
            child.end()
            runner.close()


def _alive() -> None:
    tell("WATCHDOG=1")


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    with clear_disk_errors(folder):
        private_folder(folder)
    with locked(folder / "lock", wait=False) as is_ours:
        if not is_ours:
            raise TbftError(f"another 'fleet node' has '{folder}'", "stop it first")
        yield
