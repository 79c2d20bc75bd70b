"""What is wrong with how a page looks, asked of a browser that shows it."""

from __future__ import annotations

from support.chromium import Chromium

# Figures without a picture that can be seen inside the window.
UNSEEN = """
[...document.querySelectorAll('figure')].filter(figure => {
    const pictures = [...figure.querySelectorAll('svg')];
    return !pictures.length || pictures.some(svg => {
        const box = svg.getBoundingClientRect();
        const drawn = [...svg.querySelectorAll('path, rect, circle')].filter(shape => {
            const extent = shape.getBoundingClientRect();
            const style = getComputedStyle(shape);
            return extent.width + extent.height > 0 && (style.fill != 'none' || style.stroke != 'none');
        });
        return box.width < 100 || box.height < 10 || box.left < 0 || box.right > innerWidth || drawn.length < 3
            || !svg.getAttribute('aria-label');
    });
}).map(figure => figure.innerText)
"""
# Pairs of texts of one picture that lie on each other, and texts that leave their picture.
CLASHING = """
[...document.querySelectorAll('figure svg')].flatMap(svg => {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
    const out = texts.filter(([, box]) =>
        box.left < frame.left - 2 || box.right > frame.right + 2
        || box.top < frame.top - 2 || box.bottom > frame.bottom + 2
    ).map(([text]) => 'outside: ' + text);
    texts.sort(([, a], [, b]) => a.top - b.top);
    texts.forEach(([text, a], index) => {
        for (const [other, b] of texts.slice(index + 1)) {
            if (b.top > a.bottom) break;
            const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            // Boxes are as high as a line; letters are not.
            if (wide > 1 && high > 0.35 * Math.min(a.height, b.height)) out.push(text + ' on ' + other);
        }
    });
    return out;
})
"""
# Parts that stick out of the box around them, or of the window.
STICKING_OUT = """
[...document.querySelectorAll('main *:not(svg *):not(thead *):not(thead)')].filter(element => {
    const box = element.getBoundingClientRect();
    const around = (element.closest('.card') || document.querySelector('main')).getBoundingClientRect();
    return box.width && (box.right > around.right + 1 || box.left < around.left - 1 || box.right > innerWidth + 1);
}).map(element => element.outerHTML.slice(0, 200))
"""


def assert_whole(browser: Chromium, width: int) -> None:
    """Nothing is complained of, sticks out of its box or of the window, or lies on something else."""
    assert browser.complaints() == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(UNSEEN) == []
    assert browser.evaluate(CLASHING) == []
    assert browser.evaluate(STICKING_OUT) == []
