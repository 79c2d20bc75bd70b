"""A place for an agent that is to be killed: a camera whose pictures drift, and somebody who labels what it asks."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from support.bundles import CLASSES, compiled
from support.toys import OLD_COLOURS, coloured_squares, png
from torture.processes import started

_SETTINGS = """
bundle = "{bundle}"
state = "state"
threads = 1

[camera]
folder = "camera"
after = "delete"
every_seconds = 0.2

[http]
port = {port}

[watch]
window = 8

[keep]
size = "1MB"

[ask]
every_days = 0

[adapt]
images = 32
labels = 8
unverified = true
memory = "512MB"
meter = "none"
most_celsius = 1000
rest_hours = 0

[probation]
images = 32
"""
# So long is the world as it is; pictures that come in a second.
_SECONDS_PER_KIND, _PER_SECOND = 10.0, 40
_READY_SECONDS = 60.0
_HEADERS = {"X-TBFT-Edge": "1"}


def drifted(images: np.ndarray, kind: int) -> np.ndarray:
    """Pixels (N, H, W, 3) as one of some cameras sees them; kind 0 is the one that the network knows."""
    ways = (
        lambda x: x,
        lambda x: x * 0.35 + 120,
        lambda x: 255 - x,
        lambda x: np.roll(x, 1, axis=-1),
        lambda x: x * 0.5,
    )
    found: np.ndarray = np.clip(ways[kind % len(ways)](images.astype(np.float64)), 0, 255).astype(np.uint8)
    return found


@dataclass
class World:
    """The folder of an agent, the camera beside it, and what its pictures show."""

    folder: Path
    port: int
    truth: dict[str, str] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def config(self) -> Path:
        return self.folder / "agent.toml"

    @contextlib.contextmanager
    def lives(self, seed: int) -> Iterator[None]:
        """Pictures come, a part of them written in two steps, as long as the `with` block lasts."""
        thread = threading.Thread(target=self._film, args=(seed,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()

    def start(self) -> ForkServerProcess:
        """The agent, in a process of its own."""
        return started(["agent", str(self.config)], self.folder / "stderr")

    def answers(self, process: ForkServerProcess) -> str | None:
        """The class that /predict gives, as soon as it does; None if the agent ends, or takes too long."""
        deadline = time.monotonic() + _READY_SECONDS
        picture = png(coloured_squares(1, colours=OLD_COLOURS)[0][0])
        while time.monotonic() < deadline and process.is_alive():
            with contextlib.suppress(OSError, http.client.HTTPException, msgspec.MsgspecError, KeyError):
                found = self.ask("POST", "/predict", picture)["label"]
                return found if found in CLASSES else None
            time.sleep(0.02)
        return None

    def label(self) -> None:
        """Say of everything that is asked what it shows."""
        with contextlib.suppress(OSError, http.client.HTTPException, msgspec.MsgspecError, KeyError):
            for image in self.ask("GET", "/api/status")["asked"]:
                if image["label"] is None and image["digest"] in self.truth:
                    words = {"digest": image["digest"], "label": self.truth[image["digest"]]}
                    self.ask("POST", "/api/label", msgspec.json.encode(words))

    def live(self, seconds: float) -> None:
        """For so long pictures drift, and what is asked is answered."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.label()
            time.sleep(min(0.5, left))

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """What the endpoint answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, _HEADERS)
            return msgspec.json.decode(connection.getresponse().read())
        finally:
            connection.close()

    def _film(self, seed: int) -> None:
        began, number = time.monotonic(), 0
        while not self._stopped.wait(1 / _PER_SECOND):
            kind = int((time.monotonic() - began) / _SECONDS_PER_KIND)
            number += 1
            images, labels = coloured_squares(4, seed * 1_000_003 + number, colours=OLD_COLOURS)
            which = number % 4
            content = png(drifted(images[which], kind))
            self.truth[hashlib.sha256(content).hexdigest()] = CLASSES[labels[which]]
            path = self.folder / "camera" / f"{number:08}.png"
            if number % 10 == 0:
                path.write_bytes(content[: len(content) // 2])
                time.sleep(0.01)
            path.write_bytes(content)


def make_world(folder: Path, bundle: str = "kept") -> World:
    """With a free port; the network of the bundle knows pictures of kind 0."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (folder / "camera").mkdir(parents=True)
    world = World(folder, port)
    world.config.write_text(_SETTINGS.format(bundle=compiled(bundle), port=port))
    return world
