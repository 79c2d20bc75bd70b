"""HTML and SVG text; what is not marked as such is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from tbft_artifacts.words import LINE, clean, shortened

# A sentence between two commas is shorter than half a line; what is longer is a name.
_SENTENCE = LINE // 2
# For what must not be in a page; a space would say that nothing was there.
_REPLACED = "\N{REPLACEMENT CHARACTER}"
# Written as one tag, which both HTML and XML read as they should.
_EMPTY = frozenset({"meta", "link", "br", "wbr", "rect", "circle", "path", "line"})


class Markup(str):
    """Text that is HTML or SVG already."""

    __slots__ = ()


def text(value: str) -> Markup:
    """Text of strangers, as markup that shows it and nothing else."""
    return Markup(escape(readable(value)))


def readable(value: str) -> str:
    """What a page shows of it: no character that does more than be seen, and of a very long text both ends."""
    return shortened(clean(value, _REPLACED), LINE, _SENTENCE)


def escaped(value: str) -> Markup:
    """All of it, as an attribute takes it."""
    return Markup(escape(clean(value, _REPLACED)))


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
    return escaped(value) if isinstance(value, str) else number(value)
