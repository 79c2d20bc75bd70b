"""Pages as a real browser shows them: whole, quiet, readable, on any screen and on paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from support.chromium import Chromium
from support.looks import assert_whole
from support.made_up_comparisons import odd_comparisons
from support.odd_reports import odd_reports
from tbft_edge.pages.palette import DARK, LIGHT

NAMES = (*odd_reports(), "comparison", *odd_comparisons())
PHONE, DESKTOP = 360, 1200

# Words without a space or hyphen that do not stand on one line; a name has parts, which are words of their own.
SPLIT = r"""
[...document.querySelectorAll('main, main *:not(svg, svg *)')].flatMap(element => [...element.childNodes]).filter(
    node => node.nodeType == Node.TEXT_NODE
).flatMap(node => [...node.data.matchAll(/[^\s-]+/g)].filter(word => {
    const range = document.createRange();
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1;
}).map(word => word[0]))
"""
COLOURS = "[getComputedStyle(document.body).color, getComputedStyle(document.querySelector('.card')).backgroundColor]"


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[start : start + 2], 16)) for start in (1, 3, 5))})"


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_pages_are_whole_on_a_phone_and_a_desktop(browser: Chromium, files: Mapping[str, Path], name: str) -> None:
    """Nothing is loaded, nothing complained of, each plot is drawn, no text lies on another or leaves its box."""
    for width in (PHONE, DESKTOP):
        browser.open(files[name], width=width)
        assert browser.requests() == [files[name].as_uri()]
        assert_whole(browser, width)


@pytest.mark.parametrize("width", [320, 768, 921, 1000, 1100, 1920])
def test_other_widths_cut_nothing_off(browser: Chromium, files: Mapping[str, Path], width: int) -> None:
    for name in ("plain", "long-names", "deep", "deep-whole", "comparison", "methods", "methods-many"):
        browser.open(files[name], width=width)
        assert_whole(browser, width)


@pytest.mark.parametrize("width", [320, PHONE, 768, 921, 1100, DESKTOP, 1920])
def test_names_of_blocks_break_between_their_parts(browser: Chromium, files: Mapping[str, Path], width: int) -> None:
    """`_blocks.15._depthwise_conv` never reads `_bloc/ks.15`, nor does any other word; no picture cuts one off."""
    for name in ("plain", "troubled", "deep", "deep-whole", "deep-comparison"):
        browser.open(files[name], width=width)
        assert browser.evaluate(SPLIT) == []
        drawn = browser.evaluate("[...document.querySelectorAll('svg')].map(svg => svg.textContent).join('')")
        if name in ("deep", "deep-whole"):
            assert [block.name for block in odd_reports()[name].blocks if block.name not in drawn] == []


@pytest.mark.parametrize("name", ["troubled", "comparison", "methods"])
def test_pages_follow_the_scheme(browser: Chromium, files: Mapping[str, Path], name: str) -> None:
    for scheme, palette in (("light", LIGHT), ("dark", DARK)):
        browser.open(files[name], scheme=scheme)
        assert browser.evaluate(COLOURS) == [rgb(palette["ink"]), rgb(palette["surface"])]
        assert_whole(browser, DESKTOP)


@pytest.mark.parametrize("name", ["plain", "ten-classes", "comparison", "methods-repeated"])
def test_paper_is_light_and_wide_enough(browser: Chromium, files: Mapping[str, Path], name: str) -> None:
    """Letter and A4 leave about 690 pixels between their margins; a dark screen prints dark letters, too."""
    browser.open(files[name], width=690, scheme="dark", media="print")
    assert browser.evaluate(COLOURS) == [rgb(LIGHT["ink"]), rgb(LIGHT["surface"])]
    assert_whole(browser, 690)
    assert browser.pdf().startswith(b"%PDF")


def test_names_of_strangers_run_nothing(browser: Chromium, files: Mapping[str, Path]) -> None:
    """They are text, and a policy would stop them if they were not."""
    browser.open(files["hostile-names"])
    assert browser.evaluate("document.scripts.length") == 0
    assert "<script>alert('&\"')</script>" in browser.evaluate("document.body.innerText")
    browser.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'ran = true'}))")
    assert browser.evaluate("typeof ran") == "undefined"
    assert any("Content Security Policy" in complaint for complaint in browser.complaints())


def test_a_picture_can_be_taken_and_is_not_blank(browser: Chromium, files: Mapping[str, Path]) -> None:
    from io import BytesIO

    from PIL import Image

    browser.open(files["plain"], width=PHONE)
    image = Image.open(BytesIO(browser.screenshot())).convert("RGB")
    colours = {colour for _, colour in image.getcolors(1 << 24) or []}
    shown = tuple(int(LIGHT["c0"][start : start + 2], 16) for start in (1, 3, 5))
    assert image.width == PHONE
    assert image.height > 1000
    assert shown in colours
