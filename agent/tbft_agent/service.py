"""The agent as a process: from its configuration until somebody tells it to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from tbft_agent.agent import Agent
from tbft_agent.clock import SystemClock
from tbft_agent.place import Place
from tbft_agent.pulling import Puller
from tbft_agent.round import Round
from tbft_agent.settings import LOOPBACK, Configured, Http
from tbft_agent.web.app import make_app
from tbft_agent.web.guard import read_token
from tbft_artifacts.errors import TbftError
from tbft_artifacts.notify import tell

# What is being answered may end; the rest of five seconds is for training to stop and for what is remembered.
_GRACE_SECONDS = 1
_BACKLOG = 128
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run(configured: Configured, say: Callable[[str], None]) -> None:
    """Answer, watch and adapt until SIGTERM or Ctrl-C. `say` hears where the page is, and what to mind.

    Where its bundle is a link that leads to another one by and by, it begins anew with that.

    Raises TbftError if another agent has the folder, the address is taken, or no model can be loaded.
    """
    puller = _puller(configured)
    try:
        while _ends_outdated(configured, say, puller):
            say("its bundle is another one by now: it begins anew with that")
    finally:
        tell("STOPPING=1")
        if puller is not None:
            puller.end()


def _puller(configured: Configured) -> Puller | None:
    fleet = configured.settings.fleet
    if fleet is None or configured.device is None:
        return None
    return Puller(configured.device, configured.file, fleet.every_minutes * 60)


def _ends_outdated(configured: Configured, say: Callable[[str], None], puller: Puller | None) -> bool:
    """One life of it; whether it ended since its bundle is another one."""
    place, http = Place(configured.state), configured.settings.http
    with place.taken(), _listening(http) as listener:
        agent = Agent(configured, SystemClock())
        rounds = Round(agent)
        try:
            if puller is not None:
                puller.tell(agent.core.journal)
            token = None if http.host in LOOPBACK else _token(place.token)
            _greet(http, token, place.token, say)
            server = uvicorn.Server(
                uvicorn.Config(
                    make_app(agent, token),
                    log_config=None,
                    access_log=False,
                    lifespan="off",
                    server_header=False,
                    timeout_graceful_shutdown=_GRACE_SECONDS,
                    timeout_keep_alive=5,
                    h11_max_incomplete_event_size=16 << 10,
                )
            )

            def end() -> None:
                server.should_exit = True

            rounds.outdated = end
            rounds.start()
            for words in tuple(agent.core.troubles.values()):
                say(f"warning: {words}")
            with _signals_as_they_were():
                was_told = asyncio.run(_serve(server, listener))
            return agent.is_outdated and not was_told
        finally:
            rounds.stop()
            agent.close()


async def _serve(server: uvicorn.Server, listener: socket.socket) -> bool:
    """Until a signal, which uvicorn would raise once more afterwards, when nothing of ours is saved yet; or until it
    should exit. Whether a signal came.
    """
    loop, was_told = asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        was_told.set()
        server.should_exit = True

    for number in _ENDING:
        loop.add_signal_handler(number, end)
    tell("READY=1")
    await server._serve([listener])
    return was_told.is_set()


@contextlib.contextmanager
def _signals_as_they_were() -> Iterator[None]:
    """Behind it the command hears them again: a loop that ends leaves them to the system, which ends the process."""
    before = {number: signal.getsignal(number) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _listening(http: Http) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server((http.host, http.port), backlog=_BACKLOG, family=_family(http.host))
    except OSError as error:
        raise TbftError(
            f"nothing can listen at {http.host}:{http.port} ({error.strerror or error})",
            "stop what does already, or choose another `http.port`",
        ) from error
    with listener:
        # Connections have it from here: asyncio sets it for sockets that say they are TCP alone, and this one says 0.
        # Without it the second part of an answer waits until the client has confirmed the first, 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _token(path: Path) -> str:
    try:
        return read_token(path)
    except (OSError, UnicodeDecodeError) as error:
        raise TbftError(f"the token '{path}' cannot be read: {error}", "remove the file; a new one is made") from error


def _greet(http: Http, token: str | None, path: Path, say: Callable[[str], None]) -> None:
    host = f"[{http.host}]" if ":" in http.host else http.host
    say(f"the page: http://{host}:{http.port}/")
    if token is not None:
        say(
            f"warning: {http.host} is reached from the network, without encryption; whoever knows the token in "
            f"'{path}' sees the images and says what they show"
        )
