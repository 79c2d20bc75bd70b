"""What is wrong with a page, in JavaScript: each expression lists what it finds."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from support.chromium import Chromium

# Buttons and fields that a finger misses.
SMALL = """
[...document.querySelectorAll('button, input')].filter(each => each.checkVisibility()).filter(each => {
    const box = each.getBoundingClientRect();
    return box.width < 44 || box.height < 44;
}).map(each => each.outerHTML.slice(0, 200))
"""
# Words, pictures and buttons that stick out of the window or of the part around them.
OUTSIDE = """
[...document.querySelectorAll('header *, main *')].filter(each => each.checkVisibility()).filter(each => {
    const box = each.getBoundingClientRect();
    const around = (each.parentElement.closest('section, #state') || document.body).getBoundingClientRect();
    return box.width && each.tagName !== 'H1' && !each.closest('svg')
        && (box.left < around.left - 1 || box.right > around.right + 1 || box.right > innerWidth + 1);
}).map(each => each.outerHTML.slice(0, 200))
"""
# Pairs of them that lie on each other; of what scrolls in a part of the page only what is seen of it counts.
OVERLAPPING = """
(() => {
    const seen = each => {
        const box = each.getBoundingClientRect();
        const frame = each.closest('.many, #journal')?.getBoundingClientRect() ?? {top: -1e9, bottom: 1e9};
        return {each, left: box.left, right: box.right,
                top: Math.max(box.top, frame.top), bottom: Math.min(box.bottom, frame.bottom)};
    };
    const parts = [...document.querySelectorAll('main :is(button, input, img, p, h2, h3, dt, dd, progress, svg, time)')]
        .filter(each => each.checkVisibility()).map(seen).filter(part => part.bottom > part.top)
        .toSorted((a, b) => a.top - b.top);
    const found = [];
    parts.forEach((a, index) => {
        for (const b of parts.slice(index + 1)) {
            if (b.top >= a.bottom - 1) break;
            if (a.each.contains(b.each) || b.each.contains(a.each)) continue;
            const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            if (wide > 1) found.push(`${a.each.outerHTML.slice(0, 100)} on ${b.each.outerHTML.slice(0, 100)}`);
        }
    });
    return found;
})()
"""


def assert_usable(browser: Chromium) -> None:
    """Nothing overflows, overlaps, is too small for a finger, or is complained of."""
    found = [fault for kind in (OUTSIDE, OVERLAPPING, SMALL) for fault in browser.evaluate(kind)]
    assert not found, found
    assert browser.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert browser.complaints() == [], browser.complaints()


def axe_finds(browser: Chromium) -> list[Any]:
    """What axe-core finds wrong for people who hear a page, or see little of it."""
    browser.evaluate((files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    # Of a thousand buttons it would take minutes, and they are alike.
    found: list[Any] = browser.evaluate(
        """axe.run({exclude: ['#classes button:nth-child(n+20)']}).then(({violations}) => violations.map(
            ({id, nodes}) => [id, nodes.map(({html, failureSummary}) => [html, failureSummary])]))"""
    )
    return found
