"""What a device has to tell, sent to the address that its settings name; what is not taken waits in the outbox."""

from __future__ import annotations

import os
import shutil
import time
from http.client import HTTPException, HTTPResponse
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request

from tbft_artifacts.atomic import clear_disk_errors
from tbft_artifacts.errors import TbftError
from tbft_artifacts.words import as_line
from tbft_fleet.device.carrier import SLOWEST
from tbft_fleet.device.opener import PATIENCE, opener
from tbft_fleet.device.outbox import waiting
from tbft_fleet.device.place import Place
from tbft_fleet.files.result import ENVELOPE

_LONGEST = 200
# With these a server says that it will never take this one, whatever comes of the others.
_ITS_FAULT = range(400, 500)
_BUSY = 429


class UnsentError(TbftError):
    """Some wait still, behind however many that were taken."""

    def __init__(self, sent: int, why: str) -> None:
        super().__init__(
            f"what this device has to tell was not taken: {why}", "it waits in the outbox for the next time"
        )
        self.sent = sent


def send(place: Place, url: str, patience: float = PATIENCE) -> int:
    """Put each result that waits at URL/DEVICE/NUMBER/, its envelope last, and remove it here; how many there were.

    Nobody is followed elsewhere. Raises UnsentError where not all were taken, and TbftError for what is no address.
    """
    if not url.startswith(("http://", "https://")):
        raise TbftError(f"`results` '{as_line(url)}' is no http:// or https:// address", f"mend '{place.settings}'")
    base, sent, refused = f"{url.rstrip('/')}/{quote(place.id)}", 0, ""
    for folder in waiting(place.outbox):
        if not (folder / ENVELOPE).is_file():
            # It was taken, and the power went before all of it was removed.
            shutil.rmtree(folder, ignore_errors=True)
            continue
        try:
            for file in sorted(folder.iterdir(), key=lambda path: (path.name == ENVELOPE, path.name)):
                _put(file, f"{base}/{folder.name}/{quote(file.name)}", patience)
        except HTTPError as error:
            error.close()
            refused = f"the server answers {error.code} {as_line(str(error.reason))[:_LONGEST]}"
            if error.code not in _ITS_FAULT or error.code == _BUSY:
                break
            continue
        except URLError as error:
            refused = _words(error.reason)
            break
        except (OSError, HTTPException, ValueError) as error:
            refused = _words(error)
            break
        with clear_disk_errors(folder):
            (folder / ENVELOPE).unlink()
        shutil.rmtree(folder, ignore_errors=True)
        sent += 1
    if refused:
        raise UnsentError(sent, f"'{base}': {refused}")
    return sent


def _put(path: Path, address: str, patience: float) -> None:
    with _Measured(path, patience) as file:
        headers = {
            "User-Agent": "tbft-edge",
            "Content-Type": "application/octet-stream",
            "Content-Length": str(os.fstat(file.fileno()).st_size),
        }
        request = Request(address, data=file, headers=headers, method="PUT")
        answer = opener().open(request, timeout=patience)
        assert isinstance(answer, HTTPResponse)
        # What it says beside its yes is nobody's business.
        answer.close()


class _Measured(BufferedReader):
    """A file that is sent no slower than anybody has patience for: a byte a minute is an answer each time."""

    def __init__(self, path: Path, patience: float) -> None:
        super().__init__(FileIO(path))
        self._patience, self._began = patience, time.monotonic()

    def read(self, size: Any = -1, /) -> bytes:
        seconds = time.monotonic() - self._began
        if seconds > self._patience and self.tell() < SLOWEST * seconds:
            raise TimeoutError(f"{self.tell():,} bytes went in {seconds:,.0f} s")
        return super().read(size)


def _words(error: object) -> str:
    said = error.strerror if isinstance(error, OSError) else None
    return as_line(said or str(error) or type(error).__name__)[:_LONGEST]
