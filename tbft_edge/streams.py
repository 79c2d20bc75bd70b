"""The three streams of a command, made fit for every place that it is started from: services, pipes, full disks."""

from __future__ import annotations

import io
import os
import sys

_STDOUT, _STDERR = 1, 2
# Of what cannot be encoded, whatever the locale: words are still read.
_UNKNOWN_LETTERS = "backslashreplace"
# Serial consoles say 0 columns. What is not possible is asked of the terminal instead.
_POSSIBLE_COLUMNS = range(20, 2000)


class _Patient(io.FileIO):
    """A file that drops what cannot be written: a full disk or a lost terminal is no reason to end a training."""

    def write(self, content: object) -> int:
        try:
            return super().write(content)  # type: ignore[arg-type]
        except OSError:
            return len(content)  # type: ignore[arg-type]


def prepare() -> None:
    """Before anything is opened: no file may take the place of a stream that was closed.

    Words on stderr are dropped where they cannot be written. stdout holds what was asked for, so there it is an error.
    """
    _forget_impossible_width()
    for number in range(_STDERR + 1):
        try:
            os.fstat(number)
        except OSError:
            # Only to be read: what is written there is an error, as it is for a closed stream.
            os.open(os.devnull, os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = open(_STDOUT, "w", encoding="utf-8", errors=_UNKNOWN_LETTERS, closefd=False)  # noqa: SIM115
    elif sys.stdout is sys.__stdout__ and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=_UNKNOWN_LETTERS)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        file = io.BufferedWriter(_Patient(_STDERR, "w", closefd=False))
        encoding = "utf-8" if sys.stderr is None else sys.stderr.encoding
        sys.stderr = io.TextIOWrapper(file, encoding, _UNKNOWN_LETTERS, line_buffering=True, write_through=True)


def _forget_impossible_width() -> None:
    columns = os.environ.get("COLUMNS")
    if columns is not None and not (columns.isdecimal() and int(columns[:9]) in _POSSIBLE_COLUMNS):
        del os.environ["COLUMNS"]


def finish() -> None:
    """Write what is still held back. Raises OSError where that fails."""
    sys.stdout.flush()


def abandon() -> None:
    """What could not be written on stdout is not tried once more when the process ends."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDOUT)
        os.close(nowhere)
