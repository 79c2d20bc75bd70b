"""Errors that are meant for the user: what is wrong, where, and what to do about it."""

from __future__ import annotations

from tbft_artifacts.words import printable

USAGE_EXIT_CODE = 2
DIVERGED_EXIT_CODE = 3

# What every command says of a process that got no more, whichever library found out.
NO_MEMORY = "there is not enough memory"


class TbftError(Exception):
    """Bad input or a full disk: one line that says what and where, and a hint.

    Both name options as Python does, in backticks. The command prints `error: <message>`, a blank line and
    `hint: <hint>` on stderr, with the flags of those options, and exits with `exit_code`.
    """

    exit_code = USAGE_EXIT_CODE

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = one_line(message)
        self.hint = one_line(hint)


class DivergedError(TbftError):
    """What was computed stopped being finite numbers; of a run the last good state is kept."""

    exit_code = DIVERGED_EXIT_CODE


def one_line(text: str) -> str:
    """`text` without line breaks and control characters, which names of files may hold."""
    return "".join(letter if letter.isprintable() else " " for letter in printable(text))
