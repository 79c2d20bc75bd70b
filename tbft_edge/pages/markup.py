"""HTML and SVG text; what is not marked as such is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

# Markup has no place for these, or they would turn the text around them (bidirectional overrides).
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
# Written as one tag, which both HTML and XML read as they should.
_EMPTY = frozenset({"meta", "link", "br", "wbr", "rect", "circle", "path", "line"})


class Markup(str):
    """Text that is HTML or SVG already."""

    __slots__ = ()


def text(value: str) -> Markup:
    """Text of strangers, as markup that shows it."""
    return Markup(escape(_FORBIDDEN.sub("\ufffd", value)))


def element(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """One element. Children that are not Markup are escaped, as are attributes; those that are None are left out.

    Underscores in names of attributes stand for hyphens; one at the end is left out (`class_`).
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: Iterable[str]) -> Markup:
    """The parts one after the other; those that are not Markup are escaped."""
    return Markup("".join(part if isinstance(part, Markup) else text(part) for part in parts))


def number(value: float) -> str:
    """A coordinate with a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def _attribute(value: str | float) -> str:
    return text(value) if isinstance(value, str) else number(value)
