"""Who may ask what: programs and browsers of the board itself, and from the network whoever knows the token."""

from __future__ import annotations

import contextlib
import hmac
import secrets
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tbft_agent.settings import LOOPBACK
from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.rights import PRIVATE_FILE

COOKIE = "tbft-edge-token"
# Characters of a token: what is shorter is none.
_SHORTEST = 20
# Pages of others cannot send it without the browser asking first, which is never answered.
ASKED_BY = "x-tbft-edge"
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def read_token(path: Path) -> str:
    """The token in the file, which is made if none is there that is whole; nobody else may read it.

    Raises OSError, and TbftError for a disk without room.
    """
    with contextlib.suppress(FileNotFoundError):
        known = path.read_text(encoding="ascii").strip()
        # One that a pulled plug, or a full disk, left empty would be known to everybody.
        if len(known) >= _SHORTEST:
            return known
    token = secrets.token_urlsafe(24)
    with atomic_file(path, mode=PRIVATE_FILE) as temporary:
        temporary.write_text(token + "\n", encoding="ascii")
    return token


class Guard:
    """Refuses what a stranger, or a page of a stranger in somebody's browser, asks.

    On loopback a request must name the board itself as its host: else a page whose name was made to lead here could
    read the answers. What changes something must carry a header that only a program or the agent's own page sends.
    From the network everything needs the token: once in the address, then as a cookie; programs send it as a bearer.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        """`token` is None where only the board itself can ask."""
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = self._given(headers, scope["query_string"].decode("latin-1"))
        problem = self._problem(headers, given, scope["method"])
        if problem is not None:
            await PlainTextResponse(problem, 403, headers=_HEADERS)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    found[name] = value
                if given is not None:
                    found["set-cookie"] = f"{COOKIE}={given}; HttpOnly; SameSite=Strict; Path=/; Max-Age=31536000"
            await send(message)

        await self._app(scope, receive, with_headers)

    def _problem(self, headers: Headers, given: str | None, method: str) -> str | None:
        if self._token is None:
            if _host(headers.get("host", "")) not in LOOPBACK:
                return "this agent answers to 127.0.0.1 only"
        elif not self._token or not hmac.compare_digest((given or "").encode(), self._token.encode()):
            return "open the address with ?token=…, as 'tbft-edge agent status' shows it"
        if method not in ("GET", "HEAD") and ASKED_BY not in headers:
            return f"send the header {ASKED_BY}: 1, so that no page of somebody else can ask for this"
        return None

    def _given(self, headers: Headers, query: str) -> str | None:
        """The token of a request, wherever it stands."""
        if self._token is None:
            return None
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return bearer.strip()
        asked = next((part[6:] for part in query.split("&") if part.startswith("token=")), None)
        return asked or cookie_parser(headers.get("cookie", "")).get(COOKIE)


def _host(value: str) -> str:
    """Without the port."""
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0].lower()
