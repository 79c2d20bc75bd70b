"""Agents that run in the tests' own process, with a page on a free port. Device only."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import uvicorn

from support.bundles import compiled
from support.toys import coloured_squares, png
from tbft_agent.agent import Agent
from tbft_agent.clock import SystemClock
from tbft_agent.place import Place
from tbft_agent.settings import Adapting, Configured, Probation, Settings, Watching
from tbft_agent.states import State
from tbft_agent.web.app import make_app
from tbft_agent.web.status import Status
from tbft_runtime.board.access import Board

TOLD = {"X-TBFT-Edge": "1"}
_SECONDS = 30


def settings_of(**changed: Any) -> Settings:
    """An agent that learns what is normal from 64 images, and asks for five labels."""
    given = {
        "bundle": "bundle",
        "state": "state",
        "threads": 1,
        "watch": Watching(window=8, quiet_images=64),
        "adapt": Adapting(images=32, labels=5, most_celsius=None, memory="1MB", rest_hours=0),
        "probation": Probation(images=64),
    }
    return Settings(**(given | changed))


def configured_for(folder: Path, bundle: str = "output-frozen", **changed: Any) -> Configured:
    state = folder / "state"
    return Configured(folder / "agent.toml", settings_of(**changed), compiled(bundle), state, None, None)


@contextlib.contextmanager
def living(configured: Configured) -> Iterator[Agent]:
    """An agent of which nobody asks once a second how things are; no board throttles it."""
    with Place(configured.state).taken():
        agent = Agent(configured, SystemClock(), Board(configured.state / "no-board", lambda _: None))
        try:
            yield agent
        finally:
            agent.close()


@dataclass(frozen=True)
class Answer:
    """Of the endpoint."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Site:
    """Where an agent's page is."""

    agent: Agent
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        bare: bool = False,
    ) -> Answer:
        """A request as it stands; unless `bare` with the header that changes ask for."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body, (headers or {}) | ({} if bare else TOLD))
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def tell(self, path: str, **said: Any) -> Answer:
        return self.ask("POST", path, json.dumps(said).encode())

    def status(self) -> Status:
        return msgspec.json.decode(self.ask("GET", "/api/status").body, type=Status)


@contextlib.contextmanager
def site(agent: Agent, token: str | None = None, port: int = 0) -> Iterator[Site]:
    """Its page, as `tbft-edge agent` serves it; on a free port unless told which."""
    config = uvicorn.Config(
        make_app(agent, token), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield Site(agent, listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def served(folder: Path, token: str | None = None, bundle: str = "output-frozen", **changed: Any) -> Iterator[Site]:
    """Both."""
    with living(configured_for(folder, bundle, **changed)) as agent, site(agent, token) as found:
        yield found


def show(agent: Agent, count: int, *, seed: int = 0, dark: bool = False) -> list[str]:
    """Let it answer so many squares, all other ones for another seed; in the dark they look otherwise. The answers."""
    images, _ = coloured_squares(count, seed)
    if dark:
        images = (images // 6).astype(np.uint8)
    return [agent.core.answering.answer(png(image)).label for image in images]


def named(agent: Agent, classes: Sequence[str]) -> None:
    """Let the model have other classes, of which it answers the first ones."""
    answering = agent.core.answering
    answering.replace(dataclasses.replace(answering.served, classes=tuple(classes)), answering.version)


def asking(agent: Agent, count: int = 5) -> list[str]:
    """Let it ask for labels of its last images; their digests, in the order of the cards."""
    core = agent.core
    with core.lock:
        digests = [kept.digest for kept in core.store.recent(count)]
        core.store.ask(digests)
        core.remember(state=State.ASKING, cause="images", asked=count, since=core.age.seconds())
    return digests


def said(agent: Agent, digest: str) -> str | None:
    """What the agent knows that somebody said of an image."""
    kept = agent.core.store.find(digest)
    assert kept is not None
    return kept.label
