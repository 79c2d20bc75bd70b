"""Why a child process failed, by how it ended and what it said."""

from __future__ import annotations

import signal

_ERROR = "error: "


def signal_name(number: int) -> str | None:
    """What a signal is called, such as SIGKILL; None of one that has no name."""
    return signal.Signals(number).name if number in set(signal.Signals) else None


def said_error(said: bytes, code: int) -> str:
    """The error in `said`, what a command wrote to stderr; else its last line, and without one its exit code."""
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)] or lines[-1:]
    return errors[0] if errors else f"exit code {code}"
