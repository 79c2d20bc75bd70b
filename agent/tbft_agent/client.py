"""Talk to the agent that runs, as its page does."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TypeVar

from tbft_agent.place import Place
from tbft_agent.settings import LOOPBACK, Configured
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError

_SECONDS = 30
_MOST = 16 * MIB
_T = TypeVar("_T")


@dataclass(frozen=True)
class Client:
    """Where the agent of a configuration listens."""

    configured: Configured

    @property
    def address(self) -> str:
        """Of its page, as seen from the board."""
        http = self.configured.settings.http
        # One that listens everywhere listens there, too.
        host = "127.0.0.1" if http.host == "0.0.0.0" else "::1" if http.host == "::" else http.host
        return f"http://{f'[{host}]' if ':' in host else host}:{http.port}"

    @property
    def token(self) -> str | None:
        """What it wants to hear of whoever asks; None where only the board can."""
        if self.configured.settings.http.host in LOOPBACK:
            return None
        path = Place(self.configured.state).token
        try:
            return path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise TbftError(
                f"the token '{path}' cannot be read: {error}", "ask as the user that the agent runs as"
            ) from error

    def get(self, path: str, kind: type[_T]) -> _T:
        """What it answers. Raises TbftError if none answers, or it refuses."""
        return self._ask("GET", path, None, kind)

    def post(self, path: str, kind: type[_T], **words: str | bool) -> _T:
        """Tell it something; what it answers. Raises TbftError as `get`."""
        return self._ask("POST", path, json.dumps(words).encode(), kind)

    def _ask(self, method: str, path: str, body: bytes | None, kind: type[_T]) -> _T:
        headers = {"X-TBFT-Edge": "1"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.address + path, body, headers, method=method)
        # No proxy stands between a board and itself.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_SECONDS) as answer:
                content = answer.read(_MOST + 1)
        except urllib.error.HTTPError as error:
            raise TbftError(
                f"the agent refuses: {error.read(_MOST).decode(errors='replace')}", "see its page"
            ) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise TbftError(
                f"no agent answers at {self.address} ({reason})",
                f"start it: tbft-edge agent {self.configured.file}",
            ) from error
        return decode(
            content, kind, _MOST, failed="the agent answered something else", hint="is another program there?"
        )
