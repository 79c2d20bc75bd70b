"""The log of an external meter, which grows while we run."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from tbft_runtime.board.access import Board
from tbft_runtime.meters.meter import Meter, MeterError, MeterKind, Sample, UnavailableError
from tbft_runtime.meters.stream import Columns, Stream, external_source, parse_header, parse_reading, said

_HINT = "name the file that your meter's logger writes; its columns are `seconds` and `watts`, or the first two"
_LONGEST_READ = 1 << 20


class CsvMeter:
    """Follows a file from its end on, also when it is begun again or replaced by another of its name."""

    measures: Literal["watts", "joules"] = "watts"
    hertz = 10.0
    idle_watts: float | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._stream = Stream()
        self.source = external_source("csv")

    @property
    def garbage(self) -> int:
        """Lines that held no reading."""
        return self._stream.garbage

    def start(self) -> None:
        """Go to the end; what is there was measured before. Raises UnavailableError."""
        try:
            file = self._file = self._path.open("rb")
        except OSError as error:
            raise UnavailableError(f"{self._path} cannot be read ({error.strerror})", _HINT) from None
        self._stream = Stream()
        first = _first_line(file)
        if first is None:
            # The line that may be a header is still to come.
            file.seek(0)
            return
        columns = Columns() if parse_reading(first, Columns()) else parse_header(first)
        if columns is None:
            self.stop()
            words = f"{self._path} has no columns `seconds` and `watts`: it begins with {first[:60]!r}"
            raise UnavailableError(words, _HINT)
        self._stream.take_columns(columns)
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            self._stream.skip_line()

    def sample(self) -> Sequence[Sample]:
        if self._file is None:
            raise MeterError(f"{self._path} is not open")
        arrival = time.perf_counter()
        samples = self._stream.feed(self._new(self._file), arrival)
        if not samples and self._is_replaced(self._file):
            samples = self._stream.feed(self._new(self._open_again()), arrival)
        return samples

    def stop(self) -> None:
        """Close it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _new(self, file: BinaryIO) -> bytes:
        """What was written since the last reading; the disk or share that it lies on may be gone."""
        try:
            return file.read(_LONGEST_READ)
        except OSError as error:
            raise MeterError(f"{self._path} cannot be read ({error.strerror})") from None

    def _is_replaced(self, file: BinaryIO) -> bool:
        """Whether another file has its name now, or it has become shorter than what was read of it."""
        try:
            there = self._path.stat()
        except OSError as error:
            raise MeterError(f"{self._path} is gone ({error.strerror})") from None
        opened = os.fstat(file.fileno())
        another = (there.st_dev, there.st_ino) != (opened.st_dev, opened.st_ino)
        return another or there.st_size < file.tell()

    def _open_again(self) -> BinaryIO:
        try:
            again = self._path.open("rb")
        except OSError as error:
            raise MeterError(f"{self._path} is gone ({error.strerror})") from None
        self.stop()
        self._file = again
        self._stream.restart()
        return again


def _first_line(file: BinaryIO) -> str | None:
    """The first whole line that says something."""
    while (line := file.readline(_LONGEST_READ)).endswith(b"\n"):
        if text := said(line):
            return text
    return None


def find(_board: Board, argument: str | None) -> Meter:
    """The log `argument`. Raises UnavailableError if there is no such file."""
    path = Path(argument or "")
    if not path.is_file():
        raise UnavailableError(f"there is no file {path}", _HINT)
    return CsvMeter(path)


KIND = MeterKind(
    name="csv",
    argument="FILE",
    needs_argument=True,
    automatic=False,
    find=find,
)
