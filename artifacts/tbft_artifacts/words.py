"""Words of strangers, made fit to be shown.

Names of models, classes, blocks, plans and files come from whoever made a bundle, a report or a data set, and may
hold anything: codes that clear a terminal, marks that turn the text around them, ten thousand letters.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

# A line, a cell of a table, and a name in one that is too long, have at most so many characters.
LINE, CELL, NAME = 600, 480, 120
# Letters of every script carry fewer marks than this; a tower of them covers the lines around it.
MOST_MARKS = 6
# Letters, marks and signs that cannot be seen, though no category says so (Unicode: Default_Ignorable_Code_Point, and
# an empty Braille cell): fillers of Hangul, joiners of graphemes, vowels of Khmer, variants of Mongolian.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
# What chooses the form of the letter or sign before it.
_VARIANTS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# What parts the items of a list.
_ITEMS = re.compile("([,;:] )")
# Persian and Indic words need them, and emoji that are made of several.
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"


def clean(text: str, instead: str = " ") -> str:
    """`text` on one line, with `instead` for every character that does more than be seen.

    Unicode's categories say which: control (C0 and C1, so escape sequences lose their first character), format (which
    turn text around, or cannot be seen), surrogate (bytes of a file name that are no UTF-8), private and unassigned
    ones, and what parts lines and paragraphs. As many characters come out as went in: white space becomes a space
    whatever `instead` is. A joiner stays where it joins two characters beyond ASCII.
    """
    if text.isascii() and text.isprintable():
        return text
    shown, marks = [], 0
    for index, letter in enumerate(text):
        category = unicodedata.category(letter)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if letter.isspace() and category != "Zs":
            shown.append(" ")
        elif _is_blank(text, index) or (_is_unseen(category) and not _joins(text, index)):
            shown.append(instead)
        else:
            shown.append(letter if marks <= MOST_MARKS else instead)
    return "".join(shown)


def printable(name: str | PurePath) -> str:
    r"""The name of a file as every text can hold it: `caf\xe9` where its bytes are no UTF-8 (Python's surrogates)."""
    return _SURROGATE.sub(_escape, str(name))


def as_line(text: str) -> str:
    """`text` as a line that does no more than be read, however long a name in it is."""
    shown = clean(printable(text))
    # A path is whole where the line can still be read.
    return shown if len(shown) <= LINE else shortened(shown, LINE, LINE // 2)


def as_cell(text: str) -> str:
    """`text` as it stands in a table."""
    return shortened(clean(printable(text)), CELL, NAME)


def shortened(text: str, longest: int, item: int) -> str:
    """`text` with at most `longest` characters, and each item of a list with at most `item`.

    Commas, semicolons and colons part items. `…` stands in place of what was left out in the middle.
    """
    if len(text) <= item:
        return text
    return _cut("".join(_cut(part, item) for part in _ITEMS.split(text)), longest)


def escaped(json: str) -> str:
    r"""JSON that holds the same, but has characters that do more than be seen as `\u202e`."""
    if json.isascii() and json.replace("\n", "").isprintable():
        return json
    return "".join(
        _code(letter)
        if letter != "\n"
        and (_is_blank(json, index) or (_is_unseen(unicodedata.category(letter)) and not _joins(json, index)))
        else letter
        for index, letter in enumerate(json)
    )


def _is_unseen(category: str) -> bool:
    return category.startswith("C") or category in ("Zl", "Zp")


def _is_blank(text: str, index: int) -> bool:
    """Whether nothing is seen there, nor is it part of what stands before it."""
    letter = text[index]
    if letter in _BLANK:
        return True
    if not _VARIANTS.match(letter):
        return False
    before = text[index - 1] if index else " "
    return before.isascii() or unicodedata.category(before)[0] not in "LS" or before in _BLANK


def _escape(found: re.Match[str]) -> str:
    """A byte that is no UTF-8, or a surrogate that stands for none."""
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _joins(text: str, index: int) -> bool:
    """Whether a joiner stands there, behind a letter, mark or sign and before a letter or sign, both beyond ASCII."""
    if text[index] not in _JOINERS or not 0 < index < len(text) - 1:
        return False
    before, behind = text[index - 1], text[index + 1]
    if before.isascii() or behind.isascii():
        return False
    return unicodedata.category(before)[0] in "LMS" and unicodedata.category(behind)[0] in "LS"


def _code(letter: str) -> str:
    """The character as JSON's escape, two of them beyond 16 bits."""
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True))


def _cut(text: str, limit: int) -> str:
    """Both ends of `text`, more of the beginning."""
    if len(text) <= limit:
        return text
    end = limit // 3
    return f"{text[: limit - end - 1]}…{text[-end:]}"
