"""What an HTML page says, without its marks."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_NEVER_CLOSED = frozenset({"meta", "link", "br"})


@dataclass
class Page:
    """Texts of each kind of element, in order, with what is inside them; attributes of every element."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    attributes: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """The texts of all elements of a name, spaces made plain."""
        return [" ".join(text.split()) for text in self.texts.get(name, [])]

    @property
    def body(self) -> str:
        """All of it."""
        return self.all("body")[0]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.attributes.append((tag, dict(attrs)))
        if tag not in _NEVER_CLOSED:
            found = self.page.texts.setdefault(tag, [])
            found.append("")
            self.open.append((tag, len(found) - 1))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self.open.pop()
        assert opened == tag, f"<{opened}> is closed by </{tag}>"

    def handle_data(self, data: str) -> None:
        for tag, index in self.open:
            self.page.texts[tag][index] += data


def read_page(html: str) -> Page:
    """Parse a page. Raises AssertionError if its elements are not nested."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == [], f"never closed: {reader.open}"
    return reader.page
