"""What people see: data on stdout, words on stderr. Every name in them is cleaned here, wherever it came from."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from typing import Any

from tbft_artifacts.words import as_line, escaped, printable

# Wide enough that tables do not wrap where no terminal says its width.
PIPED_WIDTH = 120
# Control characters and those that mean something between $' and '.
_NOT_PLAIN = {*range(32), ord("'"), ord("\\")}


def print_json(value: Any) -> None:
    """Write a msgspec struct, or plain data, as indented JSON on stdout."""
    import msgspec

    try:
        text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except UnicodeEncodeError:  # Of a file whose name is no UTF-8; only escapes can say it.
        import json

        text = json.dumps(msgspec.to_builtins(value), indent=2)
    print_text(escaped(text) + "\n")


def print_text(text: str) -> None:
    """A whole page, or a table in a form for programs, on stdout as it is: whoever makes it cleans its names.

    It is UTF-8 as in a file, whatever the locale of a terminal is.
    """
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:  # What stands in for stdout may take text alone.
        sys.stdout.write(text)
    else:
        buffer.write(text.encode(errors="backslashreplace"))
        buffer.flush()


def print_line(*parts: str) -> None:
    """A line on stdout; tabs stand between its parts, and nowhere else."""
    sys.stdout.write("\t".join(map(as_line, parts)) + "\n")
    sys.stdout.flush()  # Who reads along sees each line at once.


def say(text: str) -> None:
    """A line of words on stderr."""
    sys.stderr.write(as_line(text) + "\n")


@contextlib.contextmanager
def stdout_for_words() -> Iterator[None]:
    """Inside, all that others write to stdout goes to stderr, also what C code and other processes write.

    Stdout is for data: what a user's own network prints while it is made would come into the JSON.
    """
    sys.stdout.flush()
    try:
        saved = os.dup(1)
    except OSError:  # Nobody reads it: it was closed.
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    try:
        with contextlib.suppress(OSError):
            os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        for stream in (sys.stdout, sys.__stdout__, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # What is closed has nothing left.
                if stream is not None:
                    stream.flush()
        _flush_c()
        os.dup2(saved, 1)
        os.close(saved)


def _flush_c() -> None:
    """What C code printed is on its way until then."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)


def quoted(name: object) -> str:
    """A name in a command that is printed to be copied: to a shell it is one word, and no command of its own."""
    text = str(name)
    if printable(text) == text:
        return shlex.quote(text)
    # Bytes that are no UTF-8, as bash and zsh take them.
    letters = [f"\\{byte:03o}" if byte > 126 or byte in _NOT_PLAIN else chr(byte) for byte in os.fsencode(text)]
    return f"$'{''.join(letters)}'"


def output_width() -> int:
    """Columns that fit on stdout."""
    from rich.console import Console

    console = Console()
    return console.width if console.is_terminal else PIPED_WIDTH
