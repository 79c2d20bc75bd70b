"""An external meter that sends lines `seconds,watts` through a serial port, a named pipe or standard input."""

from __future__ import annotations

import os
import select
import stat
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tbft_runtime.board.access import Board
from tbft_runtime.meters.meter import Meter, MeterError, MeterKind, Sample, UnavailableError
from tbft_runtime.meters.stream import Stream, external_source

_STANDARD_INPUT = "-"
_STANDARD_INPUT_FD = 0
_BAUD = 115200
_LONGEST_READ = 1 << 16
_READS_AT_ONCE = 16
_HINT = "name a serial port (/dev/ttyACM0, or /dev/ttyUSB0@9600), a named pipe, or - for standard input"


@dataclass(frozen=True)
class Port:
    """Where lines come from; `baud` counts for a serial port only."""

    path: str
    baud: int


def parse_port(text: str) -> Port:
    """`PORT` or `PORT@BAUD`."""
    path, at, baud = text.rpartition("@")
    return Port(path, int(baud)) if at and baud.isascii() and baud.isdigit() else Port(text, _BAUD)


class LineMeter:
    """Reads what has arrived, and never waits for more."""

    measures: Literal["watts", "joules"] = "watts"
    hertz = 10.0
    idle_watts: float | None = None

    def __init__(self, port: Port) -> None:
        self._port = port
        self._fd: int | None = None
        self._stream = Stream()
        self.source = external_source("line")

    @property
    def garbage(self) -> int:
        """Lines that held no reading."""
        return self._stream.garbage

    def start(self) -> None:
        """Open it. Raises UnavailableError."""
        self._stream = Stream()
        try:
            self._fd = _open(self._port.path)
            if os.isatty(self._fd):
                _set_raw(self._fd, self._port)
                # The meter has been sending for long: we come in the middle of a line.
                self._stream.skip_line()
        except (OSError, termios.error) as error:
            self.stop()
            raise UnavailableError(f"{self._port.path} cannot be opened ({error.args[-1]})", _HINT) from None

    def sample(self) -> Sequence[Sample]:
        if self._fd is None:
            raise MeterError(f"{self._port.path} is not open")
        data = b""
        # A bound, since some writers are faster than any reader.
        for _ in range(_READS_AT_ONCE):
            new = _read(self._fd, self._port.path)
            if new is None:
                break
            if not new and not data:
                raise MeterError(f"{self._port.path} is closed: nothing writes to it")
            data += new
            if not new:
                break
        return self._stream.feed(data, time.perf_counter())

    def stop(self) -> None:
        """Close it; standard input stays open."""
        if self._fd is not None and self._fd != _STANDARD_INPUT_FD:
            os.close(self._fd)
        self._fd = None


def _open(path: str) -> int:
    if path == _STANDARD_INPUT:
        return _STANDARD_INPUT_FD
    # Without O_NONBLOCK, opening a pipe waits for its writer, and opening a modem line for its carrier.
    return os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)


def _set_raw(fd: int, port: Port) -> None:
    """8 data bits, no parity, 1 stop bit, no echo and no translation, at the port's speed."""
    speed = getattr(termios, f"B{port.baud}")
    control = termios.CS8 | termios.CREAD | termios.CLOCAL
    letters = termios.tcgetattr(fd)[6]
    # With at least one byte asked for, an empty read means that the line hung up.
    letters[termios.VMIN], letters[termios.VTIME] = 1, 0
    termios.tcsetattr(fd, termios.TCSANOW, [0, 0, control, 0, speed, speed, letters])
    termios.tcflush(fd, termios.TCIFLUSH)


def _read(fd: int, path: str) -> bytes | None:
    """What has arrived: None if nothing has, empty if nothing writes to it any more."""
    # Standard input is shared with other programs, so it is not set to not wait; it is asked.
    if fd == _STANDARD_INPUT_FD and not _has_arrived(fd):
        return None
    try:
        return os.read(fd, _LONGEST_READ)
    except BlockingIOError:
        return None
    except OSError as error:
        raise MeterError(f"{path} is closed ({error.strerror})") from None


def _has_arrived(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))


def find(_board: Board, argument: str | None) -> Meter:
    """The port `argument`. Raises UnavailableError if it is none."""
    port = parse_port(argument or "")
    if port.path == _STANDARD_INPUT:
        if os.isatty(_STANDARD_INPUT_FD):
            raise UnavailableError("standard input is a terminal, and no meter writes to it", _HINT)
        return LineMeter(port)
    try:
        mode = Path(port.path).stat().st_mode
    except OSError as error:
        raise UnavailableError(f"{port.path} cannot be opened ({error.strerror})", _HINT) from None
    if stat.S_ISREG(mode):
        raise UnavailableError(f"{port.path} is a file", f"follow a file that grows with `meter` csv:{port.path}")
    if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        raise UnavailableError(f"{port.path} is neither a serial port nor a pipe", _HINT)
    if port.baud == 0 or not hasattr(termios, f"B{port.baud}"):
        raise UnavailableError(f"no serial port runs at {port.baud} baud", "use the speed that your meter sends at")
    return LineMeter(port)


KIND = MeterKind(
    name="line",
    argument="PORT",
    needs_argument=True,
    automatic=False,
    find=find,
)
