"""Whoever began a process that failed says why in one line, whatever is left of it."""

from __future__ import annotations

import signal

import pytest

from tbft_artifacts.ended import said_error, signal_name


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"note\nerror: no room\nhint: make some\n", "no room"),
        (b"Traceback\n  somewhere\nMemoryError\n\n", "MemoryError"),
        (b"\xff\n", "\ufffd"),
        (b" \n", "exit code 3"),
        (b"", "exit code 3"),
    ],
)
def test_an_error_comes_before_the_last_line_and_that_before_a_number(said: bytes, error: str) -> None:
    assert said_error(said, 3) == error


def test_a_signal_has_a_name_or_none() -> None:
    """Those between the first and the last real-time signal have none."""
    assert signal_name(signal.SIGKILL) == "SIGKILL"
    assert signal_name(signal.SIGRTMIN + 1) is None
