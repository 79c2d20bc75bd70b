"""Words of strangers, made fit to be shown.

Names of models, classes, blocks, plans and files come from whoever made a bundle, a report or a data set, and may
hold anything: codes that clear a terminal, marks that turn the text around them, ten thousand letters.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import PurePath

# A line, a cell of a table, and a name in one that is too long, have at most so many characters.
LINE, CELL, NAME = 600, 480, 120
# Letters of every script carry fewer marks than this; a tower of them covers the lines around it.
MOST_MARKS = 6
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
        elif _is_unseen(category) and not _joins(text, index):
            shown.append(instead)
        else:
            shown.append(letter if marks <= MOST_MARKS else instead)
    return "".join(shown)


def printable(name: str | PurePath) -> str:
    r"""The name of a file as every text can hold it: `caf\xe9` where its bytes are no UTF-8 (Python's surrogates)."""
    return os.fsencode(name).decode(errors="backslashreplace")


def as_line(text: str) -> str:
    """`text` as a line that does no more than be read, however long a name in it is."""
    shown = clean(text)
    # A path is whole where the line can still be read.
    return shown if len(shown) <= LINE else shortened(shown, LINE, LINE // 2)


def as_cell(text: str) -> str:
    """`text` as it stands in a table."""
    return shortened(clean(text), CELL, NAME)


def shortened(text: str, longest: int, item: int) -> str:
    """`text` with at most `longest` characters, and each item of a list with at most `item`.

    Commas, semicolons and colons part items. `…` stands in place of what was left out in the middle.
    """
    if len(text) <= item:
        return text
    return _cut("".join(_cut(part, item) for part in _ITEMS.split(text)), longest)


def escaped(json: str) -> str:
    r"""JSON that holds the same, but has characters that do more than be seen as `\u202e`."""
    if json.replace("\n", "").isprintable():
        return json
    return "".join(
        _code(letter)
        if letter != "\n" and _is_unseen(unicodedata.category(letter)) and not _joins(json, index)
        else letter
        for index, letter in enumerate(json)
    )


def _is_unseen(category: str) -> bool:
    return category.startswith("C") or category in ("Zl", "Zp")


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
