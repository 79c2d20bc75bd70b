"""Flower's SuperLink on loopback, and nginx before it: two processes beside this one, begun again when they end."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.atomic import atomic_file, clear_disk_errors
from tbft_artifacts.errors import TbftError
from tbft_artifacts.notify import tell
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.rights import private_folder
from tbft_fleet.host.devices import Devices
from tbft_fleet.rounds.admitted import admitted, not_taken
from tbft_fleet.rounds.certificates import Certificates
from tbft_fleet.rounds.child import Child
from tbft_fleet.rounds.flower import program
from tbft_fleet.rounds.link import Link
from tbft_fleet.rounds.proxy import Proxy
from tbft_fleet.rounds.runtime_api import Api
from tbft_fleet.rounds.secret import make_secret

_PAUSE_SECONDS = 3.0
_LOOK_SECONDS = 0.5
_ADMIT_SECONDS = 10.0


@dataclass(frozen=True)
class Place:
    """What a SuperLink keeps, in `folder`, which is its host's alone but for `certificates.ca`."""

    folder: Path

    @property
    def certificates(self) -> Certificates:
        return Certificates(self.folder)

    @property
    def secret(self) -> Path:
        """Whoever reads it may take on runs: this user alone."""
        return self.folder / "secret"

    @property
    def database(self) -> Path:
        """Nodes and messages, over a restart."""
        return self.folder / "superlink.db"

    def api(self, address: str) -> Api:
        """How this host speaks to the SuperLink at HOST:PORT. Raises TbftError where none was ever begun here."""
        try:
            content = [read_at_most(path, 1 << 16) for path in (self.secret, self.certificates.ca)]
        except FileNotFoundError as error:
            raise TbftError(
                f"no SuperLink was begun in '{self.folder}' yet", "begin it with 'tbft-edge fleet superlink'"
            ) from error
        except OSError as error:
            raise unreadable(self.folder, error) from error
        return Api(address, content[0], content[1])


def serve(place: Place, devices: Devices, listen: str, port: int, say: Callable[[str], None]) -> None:
    """Let `devices` in at `listen` (HOST:PORT), until somebody interrupts; the SuperLink is at `port` of loopback.

    Who is enrolled or revoked meanwhile is let in, or is not, some seconds later. systemd hears that all is well.

    Raises TbftError where Flower or nginx are not there, or a disk is full.
    """
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if nginx is None:
        raise TbftError(
            "'nginx' is not installed here, which lets devices through to the SuperLink and nobody else",
            "install it, on Debian with: apt install nginx-light",
        )
    host = listen.rpartition(":")[0].strip("[]")
    if not host:
        raise TbftError(
            f"`listen` '{listen}' is no HOST:PORT", "give the address that devices know, such as 10.0.0.1:8443"
        )
    with clear_disk_errors(place.folder):
        private_folder(place.folder)
    place.certificates.make([host])
    make_secret(place.secret)
    configuration = place.folder / "nginx.conf"
    with atomic_file(configuration) as temporary:
        temporary.write_text(Proxy(place.folder, listen, port).configuration, encoding="ascii")
    children = (
        Child("superlink", superlink_words(place, port), place.folder / "flower", say, pause=_PAUSE_SECONDS),
        # Killed it would leave its workers, which keep the port.
        Child(
            "nginx",
            [nginx, "-c", str(configuration)],
            place.folder / "flower",
            say,
            pause=_PAUSE_SECONDS,
            orphaned=signal.SIGTERM,
        ),
    )
    say(f"devices need '{place.certificates.ca}', and this: --superlink {listen}")
    door = _Door(Link(place.api(f"127.0.0.1:{port}")), devices, say)
    try:
        tell("READY=1")
        while True:
            for child in children:
                child.keep()
            door.look()
            tell("WATCHDOG=1")
            time.sleep(_LOOK_SECONDS)
    finally:
        tell("STOPPING=1")
        for child in children:
            child.end()


class _Door:
    """Lets in at the SuperLink who is enrolled, looking every so often."""

    def __init__(self, link: Link, devices: Devices, say: Callable[[str], None]) -> None:
        self._link, self._devices, self._say = link, devices, say
        self._next, self._failed, self._refused = 0.0, "", set[str]()

    def look(self) -> None:
        if time.monotonic() < self._next:
            return
        try:
            refused = self._link.admit(admitted(self._devices))
            for name in sorted({*refused} - self._refused):
                self._say(not_taken(name))
            self._refused, self._failed, wait = {*refused}, "", _ADMIT_SECONDS
        except TbftError as error:
            wait = _PAUSE_SECONDS
            if error.message != self._failed:
                self._say(error.message)
            self._failed = error.message
        self._next = time.monotonic() + wait


def superlink_words(place: Place, port: int) -> list[str]:
    """The command: on loopback, for nodes with a key that was registered, and without a runner of its own."""
    files = place.certificates
    return [
        str(program("flower-superlink")),
        *("--host", "127.0.0.1", "--port", str(port), "--database", str(place.database)),
        *("--isolation", "process", "--superexec-auth-secret-file", str(place.secret)),
        *("--enable-supernode-auth", "--disable-runtime-dependency-installation"),
        *("--ssl-ca-certfile", str(files.ca), "--ssl-certfile", str(files.certificate)),
        *("--ssl-keyfile", str(files.key)),
    ]
