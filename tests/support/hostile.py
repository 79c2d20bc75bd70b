"""Names that strangers might choose, and whether a text that holds them does no more than be read."""

from __future__ import annotations

import unicodedata

# It clears a terminal, renames its window, rings, colours; turns what follows around; forges a line; hides in spaces.
EVIL = (
    "\x1b[2J\x1b]0;mine\x07\x9b31m\u202e\u2066\u200f\u061cevil\r\nerror: forged\u2028\u2029\x85\u200b\ufeff\ue000\x7f"
)
LONG = "long" * 2500
EMOJI = "👩\N{ZERO WIDTH JOINER}🌾"
# What a bundle may call things: markup, a column, code, a formula, a command, an option; as long as names may be.
ODD = '<img src=x onerror=alert(1)>|`**_`=cmd()"$(id);--out &lt;שלום'
LENGTHY = "long" * 100
CLASSES = (f"ant{ODD}", f"bee{ODD}{LENGTHY}", LENGTHY, EMOJI)
# The most that a file can be named.
FILE = EVIL + "f" * (240 - len(EVIL.encode()))
# Bytes that are no UTF-8, as Python has them.
NOT_UTF_8 = "\udcff\udc9b2J"
# Commands that need the compiler, which have their test in tests/e2e; those of the device have it in tests/edge.
ON_THE_HOST = {"export", "ops", "reproduce"}
# What still can be read: a line of words, or each part of a line.
LONGEST = 600


def unseen(text: str) -> list[str]:
    """The characters of a text that do more than be seen, line breaks and tabs left out."""
    joined = text.replace(EMOJI, "")
    return [ascii(letter) for letter in joined if letter not in "\n\t" and _is_unseen(unicodedata.category(letter))]


def _is_unseen(category: str) -> bool:
    return category[0] == "C" or category in ("Zl", "Zp")


def absurd(text: str) -> list[str]:
    """How lines begin, or their parts between tabs, that nobody reads to their end."""
    return [part[:100] for line in text.split("\n") for part in line.split("\t") if len(part) > LONGEST]
