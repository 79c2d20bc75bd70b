"""Where releases come from: a folder such as that of a stick, or a static server. Neither is trusted with anything."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request

from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import open_regular
from tbft_artifacts.words import as_line
from tbft_fleet.device.opener import PATIENCE, opener
from tbft_fleet.device.retry_after import LaterError, retry_after

_PIECE = 1 << 16
# Bytes per second on the whole; the slowest modems have ten times as many.
SLOWEST = 100
_NOT_THERE = {403, 404, 410}
# Of what a server says of itself.
_LONGEST = 100
_PARTIAL, _NO_SUCH_RANGE = 206, 416


class Carrier(Protocol):
    """What brings the files of a repository, whoever that is."""

    @property
    def shown(self) -> str:
        """What errors call it."""

    def pieces(self, name: str, start: int = 0) -> tuple[int, Iterator[bytes]]:
        """The content of a file, and at which byte it begins: at `start`, or else at 0 where that cannot be had.

        Raises, also while it is read: FileNotFoundError where there is none, TimeoutError where it takes too long, and
        any other OSError, such as ConnectionError of a file that was cut.
        """


@dataclass(frozen=True)
class Folder:
    """The repository as files."""

    folder: Path

    @property
    def shown(self) -> str:
        return str(self.folder)

    def pieces(self, name: str, start: int = 0) -> tuple[int, Iterator[bytes]]:
        return start, self._read(self.folder / name, start)

    def _read(self, path: Path, start: int) -> Iterator[bytes]:
        with open_regular(path) as file:
            file.seek(start)
            while piece := file.read(_PIECE):
                yield piece


@dataclass(frozen=True)
class Http:
    """The repository behind a URL, which ends in a slash. `patience` is in seconds."""

    url: str
    patience: float = PATIENCE

    @property
    def shown(self) -> str:
        return self.url

    def pieces(self, name: str, start: int = 0) -> tuple[int, Iterator[bytes]]:
        began = time.monotonic()
        try:
            response = self._ask(name, start)
        except HTTPError as error:
            error.close()
            if start and error.code == _NO_SUCH_RANGE:
                return self.pieces(name)
            if error.code in _NOT_THERE:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name) from error
            why = f"the server answers {error.code} {as_line(str(error.reason))[:_LONGEST]}"
            raise LaterError(why, retry_after(error.headers.get("Retry-After"))) from error
        except URLError as error:
            raise _told(error.reason) from error
        except (HTTPException, ValueError) as error:
            raise _told(error) from error
        first = start if response.status == _PARTIAL else 0
        if response.status == _PARTIAL and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            response.close()
            raise OSError("the server answers with another part than it was asked for")
        return first, self._read(response, began)

    def _ask(self, name: str, start: int) -> HTTPResponse:
        headers = {"User-Agent": "tbft-edge", **({"Range": f"bytes={start}-"} if start else {})}
        answer = opener().open(Request(self.url + quote(name), headers=headers), timeout=self.patience)
        assert isinstance(answer, HTTPResponse)
        return answer

    def _read(self, response: HTTPResponse, began: float) -> Iterator[bytes]:
        received = 0
        with response:
            try:
                # What has come is taken at once: a server that drips would keep who waits for a whole piece for days.
                while piece := response.read1(_PIECE):
                    received += len(piece)
                    yield piece
                    seconds = time.monotonic() - began
                    if seconds > self.patience and received < SLOWEST * seconds:
                        raise TimeoutError(f"{received:,} bytes came in {seconds:,.0f} s")
            except HTTPException as error:
                raise _told(error) from error
            if response.length:
                raise ConnectionError(f"the connection ended {response.length:,} bytes too early")


def carrier_of(text: str) -> Carrier:
    """What a URL or the path of a folder names. Raises TbftError for a URL of another kind, or with a password."""
    if not text:
        raise TbftError("`carrier` is empty", "give the address of the fleet's repository, or a folder")
    if "://" in text and "@" in text.split("/")[2]:
        # Errors name the address, and end up in logs.
        raise TbftError(
            "an address with a name or a password before its host is not asked",
            "give it without: releases are no secret, and nobody has to trust the server",
        )
    if text.startswith(("http://", "https://")):
        if any(letter <= " " or letter == "\x7f" for letter in text):
            raise TbftError("an address has no spaces and no ends of lines", "check how it was copied")
        return Http(text if text.endswith("/") else f"{text}/")
    if "://" in text:
        raise TbftError(f"'{text}' is no http:// or https:// address, and no folder", "give one of these")
    return Folder(Path(text))


def _told(reason: object) -> OSError:
    """What went wrong below, as an error of the system."""
    return reason if isinstance(reason, OSError) else OSError(str(reason) or type(reason).__name__)
