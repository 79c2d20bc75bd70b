"""What the command says when the system refuses something that nothing else has words for."""

from __future__ import annotations

import errno
import os

import pytest

from tbft_edge.main import of_the_system


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EIO, "the disk"),
        (errno.EACCES, "the path and its permissions"),
        (errno.ENOENT, "the path and its permissions"),
        (errno.ENOMEM, "close other programs"),
        (errno.EMFILE, "limits of this one"),
        (errno.ENOEXEC, "no program for this machine's processor"),
    ],
)
def test_the_hint_is_of_what_failed(number: int, hint: str) -> None:
    """A full disk is no wrong path, and a program that cannot be started is neither."""
    error = of_the_system(OSError(number, os.strerror(number), "/there"))
    assert error.message.startswith("'/there'")
    assert os.strerror(number) in error.message
    assert hint in error.hint


def test_without_a_path_none_is_blamed() -> None:
    """As for a socket, or a device."""
    error = of_the_system(OSError(errno.EPERM, os.strerror(errno.EPERM)))
    assert os.strerror(errno.EPERM) in error.message
    assert "path" not in error.message + error.hint


def test_an_error_without_words_still_has_some() -> None:
    """Never an empty line."""
    assert "OSError" in of_the_system(OSError()).message
