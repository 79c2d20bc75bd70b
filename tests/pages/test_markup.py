"""Text of strangers stays text."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from tbft_edge.pages.markup import Markup, element, join, number


@given(st.text(alphabet=st.characters()))
def test_any_text_is_shown_and_nothing_else(words: str) -> None:
    """As content and as an attribute; what no markup can hold is replaced, so that every page can be written."""
    written = element("p", words, title=words)
    root = ElementTree.fromstring(written)
    assert len(root) == 0
    for shown in (root.text or "", root.attrib["title"].replace("\n", " ")):
        assert len(shown.encode()) > 0 or not words
        assert len(shown) <= len(words)
    assert "<" not in written[1:-4].split(">", 1)[1]


def test_text_that_turns_its_neighbours_around_is_replaced() -> None:
    assert element("b", "a\u202eb\x00c\ud800d") == "<b>a\ufffdb\ufffdc\ufffdd</b>"


def test_names_and_missing_attributes() -> None:
    assert element("path", d="M0 0", class_="s0", stroke_width=1.25, fill=None) == (
        '<path d="M0 0" class="s0" stroke-width="1.2"/>'
    )
    assert join(["a<", Markup("<b>")]) == "a&lt;<b>"
    assert [number(value) for value in (3.0, 2.56, -0.04)] == ["3", "2.6", "-0"]
