"""Names come through a unit as they are, or are refused: systemd's rules for words, read by a reader of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tbft_artifacts.errors import TbftError
from tbft_artifacts.words import clean
from tbft_runtime.systemd.syntax import word

_SPECIFIERS = {"%": "%"}


def read_words(line: str) -> list[str]:
    """What systemd makes of a line: words, quotes and backslashes (systemd.syntax(7)), then specifiers."""
    words, current, quote, position = list[str](), None, None, 0
    while position < len(line):
        letter = line[position]
        position += 1
        if letter == "\\":
            current, position = (current or "") + line[position], position + 1
        elif quote is not None:
            current, quote = (current, None) if letter == quote else ((current or "") + letter, quote)
        elif letter in "\"'":
            current, quote = current or "", letter
        elif letter in " \t":
            words, current = ([*words, current] if current is not None else words), None
        else:
            current = (current or "") + letter
    assert quote is None
    return [_resolved(each) for each in ([*words, current] if current is not None else words)]


def _resolved(text: str) -> str:
    """Of a percent sign and a letter; any but two of them means something else than a percent sign."""
    found, letters = "", iter(text)
    for letter in letters:
        found += _SPECIFIERS[next(letters)] if letter == "%" else letter
    return found


_NAMES = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1).filter(
    lambda name: clean(name) == name
)


@given(st.lists(_NAMES.map("/".__add__), min_size=1, max_size=3))
@example(["/a b", '/"q"', "/'"])
@example(["/100%", "/%h/%%", "/%"])
@example(["/back\\slash\\n", "/$HOME/${x}", "/;", "/#"])
@example(["/фото/café 写真"])
def test_every_name_comes_back(names: list[str]) -> None:
    """Spaces, quotes, backslashes, percent signs and letters of any script."""
    line = " ".join(map(word, names))
    assert read_words(line) == names
    assert "\n" not in line


@given(_NAMES, st.sampled_from(["\n", "\r", "\0", "\x1b", "\x85", "\u2028", "\udce9", "\u202e"]), _NAMES)
def test_what_ends_a_line_or_hides_in_it_is_refused(before: str, hostile: str, behind: str) -> None:
    """`ExecStart=` on a line of its own would be a command of whoever named a folder."""
    with pytest.raises(TbftError) as refused:
        word(f"/{before}{hostile}{behind}")
    assert "cannot stand in a unit" in refused.value.message
    assert refused.value.message.isprintable()


def test_the_empty_word_is_refused() -> None:
    """It would set a setting back."""
    with pytest.raises(TbftError):
        word("")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", ["a b", "100%", "café 写真", "$HOME", "a;b", "#c", ":d"])
def test_systemd_itself_reads_the_same(tmp_path: Path, name: str) -> None:
    """It says of a program which one is meant; one with quotes or backslashes in its name it does not take at all."""
    program = f"{tmp_path}/{name}/nowhere"
    unit = tmp_path / "words.service"
    unit.write_text(f"[Service]\nType=oneshot\nExecStart={word(':' + program)}\n")
    ended = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert f"Command {program} is not executable" in ended.stderr, ended.stderr
    assert len(ended.stderr.splitlines()) == 1
