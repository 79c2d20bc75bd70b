"""An error is one line and a hint, whatever the names in it look like."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tbft_artifacts.errors import DivergedError, TbftError


@given(st.text(), st.text())
def test_message_and_hint_are_one_printable_line(message: str, hint: str) -> None:
    """A file name with a line break or a terminal's escape code cannot forge output."""
    error = TbftError(message, hint)
    for shown, given_text in ((error.message, message), (error.hint, hint)):
        assert shown.isprintable()
        assert len(shown) == len(given_text)


def test_printable_text_is_kept() -> None:
    """Words in any script stay as they are."""
    error = TbftError("Datei 'Bücher/图.png' fehlt", "prüfe den Pfad")
    assert (error.message, error.hint) == ("Datei 'Bücher/图.png' fehlt", "prüfe den Pfad")


def test_exit_codes() -> None:
    """Scripts tell bad input (2) from a run that diverged (3)."""
    assert TbftError("a", "b").exit_code == 2
    assert DivergedError("a", "b").exit_code == 3
    assert issubclass(DivergedError, TbftError)
