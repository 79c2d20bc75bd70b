"""The agent's page as a person uses it, over its HTTP API."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from commands import DemoError, Json

_SECONDS = 30


class Page:
    """Of the agent on this board, at `port`."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"
        # No proxy stands between a board and itself.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def wait(self, seconds: float, has_ended: Callable[[], bool]) -> None:
        """Until it answers. Raises DemoError if it does not within so many seconds, or ended."""
        begun = time.monotonic()
        while True:
            try:
                self.status()
            except OSError as error:
                if has_ended() or time.monotonic() - begun > seconds:
                    raise DemoError(f"the agent does not answer: {error}") from error
                time.sleep(0.2)
            else:
                return

    def status(self) -> Json:
        """What the page shows."""
        found: Json = self._ask("/api/status", None)
        return found

    def answer_questions(self, meaning: Callable[[str], str | None]) -> None:
        """Say what each picture shows that it asks about."""
        for image in self.status()["asked"]:
            label = None if image["label"] is not None else meaning(image["digest"])
            if label is not None:
                self._ask("/api/label", json.dumps({"digest": image["digest"], "label": label}).encode())

    def _ask(self, path: str, body: bytes | None) -> Any:
        request = urllib.request.Request(self._address + path, body, {"X-TBFT-Edge": "1"})
        with self._opener.open(request, timeout=_SECONDS) as answer:
            return json.load(answer)
