"""How a device asks a server: of the one that it was given alone, and for no longer than it has patience."""

from __future__ import annotations

import contextlib
import socket
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from threading import Event, Timer
from typing import IO, Any
from urllib.error import URLError
from urllib.parse import SplitResult, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from tbft_artifacts.words import as_line

# Seconds in which a server has to answer, and has to send the next byte.
PATIENCE = 30.0
_PORTS = {"http": 80, "https": 443}
# Of an address that a server names.
_LONGEST = 100


def opener() -> OpenerDirector:
    """Unlike Python's own one it opens nothing but HTTP, and nothing elsewhere, wherever a server may send it."""
    made = OpenerDirector()
    for handler in (ProxyHandler, _Http, _Https, _Redirects):
        made.add_handler(handler())
    for judge in (HTTPErrorProcessor, HTTPDefaultErrorHandler):
        made.add_handler(judge())
    return made


class _Redirects(HTTPRedirectHandler):
    """Followed on the same server alone, and not far: nobody asked for a connection to another one."""

    max_redirections = 3

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if not _is_same_server(urlsplit(req.full_url), urlsplit(newurl)):
            place = as_line("://".join(urlsplit(newurl)[:2]))[:_LONGEST]
            raise URLError(f"it leads to {place}, and nobody asked for that")
        # What stands beside the address would be read as a whole, however long it is.
        fp.close()
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_same_server(asked: SplitResult, led: SplitResult) -> bool:
    """By scheme, name and port; or the same one's https, where both have the ports that are usual."""
    if asked.hostname != led.hostname:
        return False
    ports = [each.port or _PORTS.get(each.scheme) for each in (asked, led)]
    is_safer = (asked.scheme, led.scheme) == ("http", "https") and ports == [80, 443]
    return is_safer or (asked.scheme == led.scheme and ports[0] == ports[1])


class _Response(HTTPResponse):
    """One whose head comes in time as a whole: a server that sends it byte by byte answers each time that one waits."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self._socket = sock

    def begin(self) -> None:
        late = Event()

        def end() -> None:
            late.set()
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

        # The socket's own patience is for its next byte, and ends first where none comes.
        timer = Timer(1.5 * (self._socket.gettimeout() or PATIENCE), end)
        timer.daemon = True
        timer.start()
        try:
            super().begin()
        except (OSError, HTTPException) as error:
            if late.is_set():
                raise TimeoutError("its answer did not come in time") from error
            raise
        finally:
            timer.cancel()


class _Connection(HTTPConnection):
    response_class = _Response


class _TlsConnection(HTTPSConnection):
    response_class = _Response


class _Http(HTTPHandler):
    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_Connection, req)


class _Https(HTTPSHandler):
    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(_TlsConnection, req)
