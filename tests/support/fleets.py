"""A fleet on a host, and devices that look at it, as far as releases go."""

from __future__ import annotations

import contextlib
import functools
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.bundles import made_up_bundle
from support.tars import END, members, pack
from tbft_fleet.device.carrier import Carrier, Folder
from tbft_fleet.device.client import Client, Offer, newest, withdrew
from tbft_fleet.device.download import fetch
from tbft_fleet.files.release import Release
from tbft_fleet.host.folder import Fleet, make_fleet

PORCH, GARDEN = "porch", "garden"
# An archive that comes in several pieces.
CONTENT = bytes(range(256)) * 2000


def new_fleet(folder: Path) -> Fleet:
    return make_fleet(folder, [PORCH, GARDEN])


def packed_bundle(folder: Path) -> Path:
    """The archive of a made-up bundle, in `folder`."""
    (folder / "bundle").mkdir()
    made_up_bundle(folder / "bundle")
    return pack(folder / "bundle.tar.gz", *members(folder / "bundle"), END)


def publish(
    fleet: Fleet,
    content: bytes = b"a bundle",
    *,
    percent: int = 100,
    groups: tuple[str, ...] = (PORCH,),
    minimum_runtime: str = "0.1.0",
    delta: tuple[str, bytes] | None = None,
) -> Release:
    """A release of an archive that is but bytes; `delta` is the bundle that another one is laid over, and its bytes."""
    number = max((release.number for release in fleet.releases()), default=0) + 1
    made = Release(
        number=number,
        bundle_id=f"{number:064x}",
        groups=groups,
        percent=percent,
        minimum_runtime=minimum_runtime,
    )
    archives = {made: fleet.folder.parent / f"archive-{number}"}
    archives[made].write_bytes(content)
    if delta is not None:
        over = Release(**{name: getattr(made, name) for name in made.__struct_fields__} | {"parent": delta[0]})
        archives[over] = fleet.folder.parent / f"delta-{number}"
        archives[over].write_bytes(delta[1])
    with fleet.held():
        fleet.repository.publish(archives)
    return made


@dataclass
class Device:
    """A folder that joined a fleet, and what it was told."""

    folder: Path
    root: Path
    id: str = "pi-7"
    group: str = PORCH
    current: int = 0
    bundles: frozenset[str] = frozenset()
    tried: int = 0
    refused: frozenset[int] = frozenset()
    said: list[str] = field(default_factory=list)

    @property
    def client(self) -> Client:
        return Client(
            id=self.id,
            group=self.group,
            current=self.current,
            bundles=self.bundles,
            tried=self.tried,
            refused=self.refused,
            root=self.root,
            tuf=self.folder / "tuf",
            clock=self.folder / "clock.json",
            offered=self.folder / "offered.json",
        )

    def newest(self, carrier: Carrier | Path) -> Offer | None:
        return newest(self.client, Folder(carrier) if isinstance(carrier, Path) else carrier, self.said.append)

    def withdrew(self, carrier: Path, number: int) -> bool:
        return withdrew(self.client, Folder(carrier), number, self.said.append)

    def take(self, carrier: Carrier | Path) -> tuple[int, bytes]:
        """The number and the content of what it takes."""
        offer = self.newest(carrier)
        assert offer is not None
        content = fetch(self.client, offer, self.folder / "incoming").read_bytes()
        self.current = offer.release.number
        return self.current, content


def joined(fleet: Fleet, folder: Path, **who: str) -> Device:
    """A device with a copy of the fleet's first root."""
    folder.mkdir()
    root = folder / "root.json"
    root.write_bytes(fleet.root.read_bytes())
    return Device(folder, root, **who)  # type: ignore[arg-type]


@dataclass
class Asked:
    """What a server was asked for, and the range of it."""

    path: str
    range: str | None


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder, silently; ranges where `ranges` is set, as real servers do, and Python's own does not."""

    ranges = True
    asked: list[Asked]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.append(Asked(self.path, self.headers.get("Range")))
        wanted = self.headers.get("Range")
        if wanted is None or not self.ranges:
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:])


@contextlib.contextmanager
def served(
    folder: Path, kind: type[Handler] = Handler, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[Asked]]]:
    """The address of a server on loopback, an https:// one with `tls`, and what it is asked."""
    asked: list[Asked] = []
    handler = type("Recorded", (kind,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder))) as server:
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        # Whoever is refused hangs up.
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread.start()
        try:
            yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}/", asked
        finally:
            server.shutdown()
            thread.join()
