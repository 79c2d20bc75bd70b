"""Names break between their parts, figures do not leave their units, and no letter is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.deep_reports import LAYERS, NUMBERED
from support.html_text import read_page
from tbft_edge.pages.breaks import breakable, pieces
from tbft_edge.pages.charts.names import in_two_lines
from tbft_edge.pages.charts.svg import text_width
from tbft_edge.pages.markup import Markup, element


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("_blocks.15._depthwise_conv", "_blocks.|15.|_depthwise|_conv"),
        ("features.18.0", "features.|18.0"),
        ("runs/feature", "runs/|feature"),
        ("QLinearGlobalAveragePool", "QLinear|Global|Average|Pool"),
        ("feature-layer3-frozen", "feature-|layer3-|frozen"),
        ("two words", "two |words"),
        ("1.31.1", "1.31.1"),
        ("__init__", "__init|__"),
        ("images/s", "images/s"),
        ("", ""),
    ],
)
def test_names_have_parts(name: str, broken: str) -> None:
    assert pieces(name) == broken.split("|")


@given(st.text(st.sampled_from("aZ_./- 1é\u00a0"), max_size=40))
def test_no_letter_is_lost(words: str) -> None:
    assert "".join(pieces(words)) == words
    shown = read_page(element("p", breakable(words))).texts["p"][0]
    assert shown.replace("\u00a0", " ") == words.replace("\u00a0", " ")


def test_a_figure_keeps_its_unit() -> None:
    assert breakable("13.1 MB of 5 s at 3.00 W, 48.2 °C") == "13.1\u00a0MB of 5\u00a0s at 3.00\u00a0W, 48.2\u00a0°C"
    assert breakable("4 classes, 0 sizes") == "4 classes, 0 sizes"


def test_names_of_strangers_are_escaped_and_markup_stays() -> None:
    assert breakable("<b>a_b</b>") == '<span class="whole">&lt;b&gt;a<wbr/>_b&lt;/b&gt;</span>'
    assert breakable(Markup("<b>a_b</b>")) == "<b>a_b</b>"


@pytest.mark.parametrize("names", [LAYERS, NUMBERED])
def test_names_of_mobile_networks_are_whole_on_two_lines(names: tuple[str, ...]) -> None:
    """In the width that the network's picture has for them."""
    for name in names:
        lines = in_two_lines(name, 120)
        assert "".join(lines) == name
        assert len(lines) <= 2
        assert all(text_width(line) <= 120 for line in lines)


@given(st.text(st.sampled_from("abcmW_./ 1"), min_size=1, max_size=80), st.integers(30, 200))
def test_any_name_fits(name: str, width: int) -> None:
    """What is left out is in the middle or at the end of a part, and marked."""
    lines = in_two_lines(name, width)
    assert 1 <= len(lines) <= 2
    assert all(text_width(line) <= width for line in lines)
    assert "".join(lines) == name or "…" in "".join(lines)


def test_names_that_begin_alike_differ_at_their_ends() -> None:
    for end in ("weight", "bias", "running_mean"):
        first, second = in_two_lines(f"features.12.block.conv.depthwise.{end}", 120)
        assert first == "features.12."
        assert second.startswith("…")
        assert second.endswith(end)
