"""Where a line may end: between the parts of a name, and never between a figure and its unit."""

from __future__ import annotations

import re

from tbft_edge.pages.markup import Markup, element, join, readable

# Behind a dot or slash, unless it is that of a number, before an underscore inside a name, and between words written
# together. Browsers know spaces and hyphens themselves.
_INSIDE = re.compile(r"(?<=[./])(?=[^\W\d]\w)|(?<=[^\W\d][./])(?=\d)|(?<=[^\W_])(?=_\w)|(?<=[a-z]{2})(?=[A-Z][a-z])")
_BETWEEN = re.compile(rf"(?<=[ -])(?=\S)|{_INSIDE.pattern}")
_UNITS = re.compile(r"(?<=\d) (?=(?:[kMG]?B|k?J|[km]?W|k?Hz|MHz|m?s|min|h|°C)\b)")


def breakable(words: str) -> Markup:
    """Text of which browsers keep each name on a line of its own if it fits there, and else break it between its parts.

    What is markup stays as it is.
    """
    if isinstance(words, Markup):
        return words
    return join(_whole(word) if word else "" for word in re.split("( )", _UNITS.sub("\u00a0", readable(words))))


def _whole(word: str) -> str:
    first, *rest = _INSIDE.split(word)
    if not rest:
        return word
    return element("span", first, *(part for piece in rest for part in (element("wbr"), piece)), class_="whole")


def pieces(name: str) -> list[str]:
    """What a name can be broken into; joined it is the name again."""
    return _BETWEEN.split(name)
