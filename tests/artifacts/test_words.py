"""Words of strangers do no more than be read."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.hostile import EMOJI, EVIL, LONG, NOT_UTF_8, unseen
from tbft_artifacts.words import CELL, LINE, MOST_MARKS, NAME, as_cell, as_line, clean, escaped, shortened

# Every plane, and often what is dangerous.
ANY = st.text(st.one_of(st.characters(), st.sampled_from(EVIL + EMOJI + NOT_UTF_8 + "é\u0301\u200c")))


@given(ANY)
def test_nothing_unseen_is_left(text: str) -> None:
    """On one line, as long as before, and the same if it is cleaned again."""
    shown = clean(text)
    assert len(shown) == len(text)
    assert [letter for letter in unseen(shown) if letter not in ("'\\u200c'", "'\\u200d'")] == []
    assert not set("\n\r\t\v\f\x85\u2028\u2029") & set(shown)
    assert clean(shown) == shown


@given(ANY)
def test_what_can_be_seen_stays(text: str) -> None:
    """Only what is replaced differs; a page says where."""
    for before, after in zip(text, clean(text, "\ufffd"), strict=True):
        assert after in (before, " ", "\ufffd")
        is_mark = unicodedata.category(before) in ("Mn", "Me")
        assert after == before or not before.isprintable() or is_mark


@pytest.mark.parametrize(
    "text",
    [
        "golden retriever",
        "Bücher/图.png",
        EMOJI,
        "می\u200cخواهم",
        "क्\u200dष",
        "日本語\u3000テスト",
        "1\N{NO-BREAK SPACE}s",
        "e\u0301",
        "🇩🇪 👍🏽 ❤\ufe0f",
    ],
)
def test_words_of_every_script_stay(text: str) -> None:
    """Also those that need a joiner, and spaces of every width."""
    assert clean(text) == text


@pytest.mark.parametrize("text", ["c\u200dat", "\u200dcat", "猫\u200d\u200d犬", "猫\u200d", "c\u200c猫"])
def test_a_joiner_that_joins_nothing_is_replaced(text: str) -> None:
    assert "\u200d" not in clean(text)
    assert "\u200c" not in clean(text)


@pytest.mark.parametrize(
    "letter", "\u3164\u115f\u1160\uffa0\u2800\u034f\u200b\u2060\u2061\ufeff\u00ad\u180e\U000e0041\ufe0f\U000e0100"
)
def test_letters_that_cannot_be_seen_are_replaced(letter: str) -> None:
    """Whatever their category is: two names that look alike would be one to whoever reads them."""
    for text in (f"cat{letter}", f"{letter}cat", f"c{letter}at", letter):
        assert letter not in clean(text)
        assert letter not in escaped(json.dumps(text, ensure_ascii=False))
        assert json.loads(escaped(json.dumps(text, ensure_ascii=False))) == text


def test_bytes_that_are_no_utf_8_are_told_apart() -> None:
    """Of two such files one can be found."""
    assert as_line("caf\udce9.png") == "caf\\xe9.png"
    assert as_cell("caf\udce8.png") == "caf\\xe8.png"
    assert as_line("\ud800") == "\\ud800"


def test_marks_do_not_pile_up() -> None:
    shown = clean("e" + "\u0301" * 100)
    assert shown.rstrip(" ") == "e" + "\u0301" * MOST_MARKS


@given(ANY, st.integers(8, 100), st.integers(8, 100))
def test_no_text_is_longer_than_asked(text: str, longest: int, item: int) -> None:
    """Nor an item of a list in it; both ends can be read, and a short one is whole."""
    shown = shortened(text, longest, item)
    assert len(shown) <= longest or len(text) <= item
    assert len(text) > min(longest, item) or shown == text


def test_lines_and_cells_of_endless_names() -> None:
    assert len(as_line(LONG)) == LINE // 2
    assert len(as_line("a path/" * 80)) == 560
    assert len(as_cell(LONG)) == NAME
    assert len(as_cell(f"{LONG}, " * 100)) == CELL
    assert as_cell("short") == "short"


def test_of_a_list_every_item_is_named() -> None:
    """One endless name among others does not hide them."""
    shown = as_cell(f"ant, {LONG}, {LONG}, dog")
    assert shown.startswith("ant, long")
    assert shown.endswith("long, dog")
    assert shown.count("…") == 2


@given(ANY)
def test_json_holds_the_same(text: str) -> None:
    """And nothing unseen, also where it is no UTF-8."""
    written = escaped(json.dumps({"name": text}, ensure_ascii=False, indent=2))
    assert json.loads(written) == json.loads(json.dumps({"name": text}))
    assert [letter for letter in unseen(written) if letter not in ("'\\u200c'", "'\\u200d'")] == []


def test_ordinary_json_is_as_it_was() -> None:
    """Byte by byte."""
    written = json.dumps({"names": ["Bücher", EMOJI, "图", "1\N{NO-BREAK SPACE}s"]}, ensure_ascii=False, indent=2)
    assert escaped(written) == written
