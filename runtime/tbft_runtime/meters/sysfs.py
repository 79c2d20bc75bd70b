"""Numbers that the kernel shows, one per file."""

from __future__ import annotations

from pathlib import Path

from tbft_runtime.meters.meter import MeterError


class DeniedError(MeterError):
    """The user may not read it."""


def read_text(path: Path) -> str:
    """What a file holds, stripped. Raises DeniedError, and MeterError if it cannot be read for another reason."""
    try:
        return path.read_text(errors="replace", encoding="utf-8").strip()
    except PermissionError:
        raise DeniedError(f"{path} may not be read by this user") from None
    except OSError as error:
        raise MeterError(f"{path} cannot be read ({error.strerror})") from None


def read_number(path: Path) -> int:
    """The integer in a file. Raises like `read_text`, and MeterError if there is none in it."""
    text = read_text(path)
    try:
        return int(text)
    except ValueError:
        raise MeterError(f"{path} holds no number: {text[:40]!r}") from None
