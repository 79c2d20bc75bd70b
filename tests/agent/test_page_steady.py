"""The page while it is looked at: nothing jumps, nothing is lost, also while the agent does not answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.chromium import Chromium
from support.served_agents import Site, asking, configured_for, living, named, said, served, show, site
from tbft_agent.agent import Agent

REFRESH = """
new Promise(done => {
    const fetched = window.fetch;
    window.fetch = (...asked) => fetched(...asked).finally(() => setTimeout(done, 100));
    document.dispatchEvent(new Event('visibilitychange'));
})
"""
CLASSES = tuple(f"class {number}" for number in range(40))
READY = """
document.querySelectorAll('#recent li').length === 12
    && document.querySelectorAll('#classes button').length > 0
    && [...document.images].every(image => image.complete)
"""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with living(configured_for(tmp_path)) as found:
        named(found, CLASSES)
        show(found, 100)
        asking(found)
        for number in range(40):
            found.core.journal.write("trouble", f"thing {number}")
        yield found


@pytest.fixture
def page(browser: Chromium, agent: Agent) -> Iterator[Site]:
    with site(agent) as found:
        browser.open(f"{found.address}/", width=1280)
        browser.until(READY)
        yield found


def test_what_did_not_change_is_not_made_anew(browser: Chromium, page: Site) -> None:
    """A screen reader would begin again, a picture would flicker, and a finger would miss."""
    browser.evaluate(
        """(() => {
            window.changes = [];
            new MutationObserver(found => window.changes.push(...found.map(
                ({type, target, attributeName}) => `${type} ${target.id || target.nodeName} ${attributeName}`
            ))).observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
        })()"""
    )
    for _ in range(2):
        browser.evaluate(REFRESH)
    assert browser.evaluate("window.changes") == []


def test_focus_scrolling_and_what_is_typed_stay(browser: Chromium, page: Site) -> None:
    """While new images come and things happen."""
    browser.tap("#new")
    browser.write("half a na")
    browser.evaluate("document.querySelector('#classes').scrollTop = 60")
    browser.evaluate("document.querySelector('#journal').scrollTop = 90")
    browser.evaluate("window.scrollTo(0, 120)")
    show(page.agent, 5, seed=3)
    browser.evaluate(REFRESH)
    assert browser.evaluate("document.activeElement.id") == "new-name"
    assert browser.evaluate("document.activeElement.value") == "half a na"
    places = "[document.querySelector('#classes').scrollTop, document.querySelector('#journal').scrollTop, scrollY]"
    assert browser.evaluate(places) == [60, 90, 120]


def test_nothing_jumps_when_images_come(browser: Chromium, page: Site) -> None:
    """Every part of the page, and every button, stays where it was."""
    places = """[...document.querySelectorAll('section, button')].map(part => {
        const {x, y, width, height} = part.getBoundingClientRect();
        return [x, y, width, height].map(Math.round).join();
    })"""
    before = browser.evaluate(places)
    for seed in (3, 4):
        show(page.agent, 3, seed=seed)
        browser.evaluate(REFRESH)
        newest = page.agent.core.store.recent(1)[0].digest
        assert browser.evaluate("document.querySelector('#recent li').dataset.key") == newest
        assert browser.evaluate(places) == before


def test_images_hold_still_for_who_wants_to_tap_one(browser: Chromium, page: Site) -> None:
    """By a button, and while one has the focus; what was said of them is shown meanwhile."""
    keys = "[...document.querySelectorAll('#recent li')].map(item => item.dataset.key)"
    before = browser.evaluate(keys)
    browser.tap("#hold")
    show(page.agent, 5, seed=3)
    page.agent.label(before[0], CLASSES[1])
    browser.evaluate(REFRESH)
    assert browser.evaluate(keys) == before
    assert browser.evaluate("document.querySelector('#recent li .told').textContent") == "You: class 1"
    browser.tap("#hold")
    browser.until(f"!({keys}).includes('{before[-1]}')")
    browser.evaluate("document.querySelector('#recent li:nth-child(2) button').focus()")
    held = browser.evaluate(keys)
    show(page.agent, 5, seed=6)
    browser.evaluate(REFRESH)
    assert browser.evaluate(keys) == held


@pytest.mark.long
def test_an_agent_that_does_not_answer_for_a_while(browser: Chromium, agent: Agent, tmp_path: Path) -> None:
    """What was known stays, what is said is not lost in silence, and all goes on when it answers again."""
    with site(agent) as found:
        browser.open(f"{found.address}/", width=360)
        browser.until(READY)
        digest = browser.evaluate("document.querySelector('#picture').src.split('/').pop()")
    browser.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    browser.until("!document.querySelector('#offline').hidden")
    assert "does not answer" in browser.evaluate("document.querySelector('#offline').textContent")
    assert browser.evaluate("document.querySelectorAll('#recent li').length") == 12
    browser.evaluate("new Promise(seen => setTimeout(seen, 300))")
    browser.evaluate("document.querySelector('#classes button').click()")
    browser.until("document.querySelector('#said').textContent.startsWith('That was not kept')")
    assert browser.until("document.querySelector('#picture').src.split('/').pop()") == digest
    assert said(agent, digest) is None
    with site(agent, port=found.port):
        browser.until("document.querySelector('#offline').hidden")
        browser.evaluate("new Promise(seen => setTimeout(seen, 300))")
        browser.press("1")
        browser.until("document.querySelector('#progress').value === 1")
        # The page counts it at once, and the agent when it has heard of it.
        end = time.monotonic() + 10
        while said(agent, digest) is None and time.monotonic() < end:
            time.sleep(0.02)
        assert said(agent, digest) is not None


def test_without_the_token_it_says_how_to_get_in(browser: Chromium, tmp_path: Path) -> None:
    """With it, it is asked for once."""
    with served(tmp_path, "secret") as found:
        show(found.agent, 3)
        browser.open(f"{found.address}/?token=secret")
        # Each answer gives the cookie once more: none must be under way when it is taken away.
        loaded = "document.images.length > 3 && [...document.images].every(image => image.complete)"
        browser.until(loaded)
        assert browser.evaluate("document.querySelector('#recent img').naturalWidth") == 8
        browser.open(f"{found.address}/")
        browser.until(loaded)
        assert browser.evaluate("document.cookie") == ""
        browser.call("Network.clearBrowserCookies")
        browser.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        browser.until("document.querySelector('#offline').textContent.includes('?token=')")
