"""Flower's SuperNode: what fetches a device's messages from the SuperLink, and brings its answers there."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tbft_fleet.rounds.child import Child
from tbft_fleet.rounds.flower import program
from tbft_fleet.rounds.runtime_api import Api
from tbft_fleet.rounds.secret import make_secret

# After a power cut the SuperLink holds a node to be there for a minute, and sends it away (exit code 305).
PAUSE_SECONDS = 30.0


@dataclass(frozen=True)
class Superlink:
    """Where a fleet's SuperLink is, HOST:PORT, and the certificate of the CA (a file) by which it is known."""

    address: str
    certificate: Path


@dataclass(frozen=True)
class SuperNode:
    """One with a folder of its own, whose `key` the SuperLink knows; it hands out tasks at `port` of loopback."""

    folder: Path
    key: Path
    port: int

    @property
    def secret(self) -> Path:
        """Whoever reads it may take on tasks: this user alone."""
        return self.folder / "secret"

    @property
    def api(self) -> Api:
        return Api(f"127.0.0.1:{self.port}", make_secret(self.secret))

    def words(self, superlink: Superlink) -> list[str]:
        """The command: it only carries messages, and begins nothing that would run what comes with them."""
        return [
            str(program("flower-supernode")),
            *("--superlink", superlink.address, "--root-certificates", str(superlink.certificate)),
            *("--auth-supernode-private-key", str(self.key)),
            *("--isolation", "process", "--superexec-auth-secret-file", str(self.secret)),
            *("--host", "127.0.0.1", "--port", str(self.port)),
        ]

    def child(self, superlink: Superlink, say: Callable[[str], None]) -> Child:
        """As a process; it asks for messages every 3 s, and so is always busy."""
        make_secret(self.secret)
        words, home = self.words(superlink), self.folder / "flower"
        return Child("supernode", words, home, say, pause=PAUSE_SECONDS, is_busy=True)


def free_port() -> int:
    """One of loopback that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
