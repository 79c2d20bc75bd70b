"""The page in a real browser, on an agent that runs: what people say by finger and by keyboard is what it knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.chromium import Chromium
from support.served_agents import Site, asking, named, said, served, show
from tbft_agent.states import State

CLASSES = ("bottle", "box", "can", "cup")
READY = "document.querySelector('#classes button') && document.querySelector('#picture').complete"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An agent that saw twenty images."""
    with served(tmp_path) as found:
        named(found.agent, CLASSES)
        show(found.agent, 20)
        yield found


def opened(browser: Chromium, site: Site, *, width: int = 360) -> None:
    browser.open(f"{site.address}/", width=width)
    browser.until(READY)


def card(browser: Chromium) -> str:
    """The digest of the image in question, once people had time to see it."""
    digest: str = browser.until("document.querySelector('#picture').src.split('/').pop()")
    browser.evaluate("new Promise(seen => setTimeout(seen, 300))")
    return digest


def button(name: str) -> str:
    return f"#classes button[data-key='{name}']"


def heard(browser: Chromium, site: Site, digest: str, label: str | None) -> None:
    """The agent knows, and so does the page."""
    browser.until("document.querySelector('#progress-words').textContent")
    for _ in range(500):
        if said(site.agent, digest) == label:
            return
        browser.evaluate("new Promise(again => setTimeout(again, 10))")
    pytest.fail(f"{digest} is {said(site.agent, digest)!r}, not {label!r}")


def test_by_finger(browser: Chromium, site: Site) -> None:
    """A tap says what the image shows, the next one comes at once, and so on until it is enough."""
    digests = asking(site.agent, 3)
    opened(browser, site)
    for digest, name in zip(digests, ("can", "cup", "can"), strict=True):
        assert card(browser) == digest
        browser.tap(button(name))
        heard(browser, site, digest, name)
    browser.until("document.querySelector('#nothing').textContent.startsWith('Thank you')")
    browser.until("document.querySelector('#progress-words').textContent === '3 labels: that is enough.'")
    assert browser.evaluate("document.querySelector('#progress').value") == 3
    assert browser.complaints() == []


def test_by_keyboard(browser: Chromium, site: Site) -> None:
    """Numbers choose, 0 is none of these, s skips, z takes back, one after the other."""
    first, second, third = asking(site.agent, 3)
    opened(browser, site, width=1280)
    card(browser)
    browser.press("2")
    heard(browser, site, first, "box")
    assert card(browser) == second
    browser.press("0")
    heard(browser, site, second, "")
    assert card(browser) == third
    browser.press("z")
    heard(browser, site, second, None)
    assert card(browser) == second
    browser.press("s")
    assert card(browser) == third
    browser.press("4")
    heard(browser, site, third, "cup")
    browser.until("!document.querySelector('#again').hidden")
    browser.tap("#again")
    assert card(browser) == second


def test_by_tab_and_enter(browser: Chromium, site: Site) -> None:
    """Who knows no key reaches every button; the focus stays on it when the next image comes."""
    first, second = asking(site.agent, 2)
    opened(browser, site, width=1280)
    card(browser)
    focused = "document.activeElement.closest('#classes') && document.activeElement.dataset.key"
    for _ in range(10):
        browser.press("Tab")
        if browser.evaluate(focused) == "box":
            break
    browser.press("Enter")
    heard(browser, site, first, "box")
    assert card(browser) == second
    assert browser.evaluate(focused) == "box"


def test_a_press_meant_for_the_image_before_counts_once(browser: Chromium, site: Site) -> None:
    """A finger that bounces says nothing of an image that nobody has seen yet."""
    first, second = asking(site.agent, 2)
    opened(browser, site)
    card(browser)
    browser.evaluate(f'for (let i = 0; i < 2; i++) document.querySelector("{button("can")}").click()')
    heard(browser, site, first, "can")
    assert card(browser) == second
    assert said(site.agent, second) is None


def test_a_new_class(browser: Chromium, site: Site) -> None:
    """It becomes a button; a name that is known already, in other capitals, is that one."""
    first, second, third = asking(site.agent, 3)
    opened(browser, site)
    card(browser)
    for digest, typed, name in (
        (first, " pl\N{LATIN SMALL LETTER A WITH DIAERESIS}te ", "pläte"),
        (second, "BOX", "box"),
    ):
        assert browser.evaluate("document.querySelector('#new-class').hidden")
        browser.tap("#new")
        browser.write(typed)
        browser.press("Enter")
        heard(browser, site, digest, name)
        card(browser)
    browser.tap(button("pläte"))
    heard(browser, site, third, "pläte")
    assert browser.evaluate("document.querySelectorAll('#classes button').length") == 5
    assert site.status().new_classes == ("pläte",)


def test_a_name_that_cannot_be_a_class_is_refused_in_words(browser: Chromium, site: Site) -> None:
    (digest,) = asking(site.agent, 1)
    opened(browser, site)
    card(browser)
    browser.tap("#new")
    browser.write("../up")
    browser.press("Enter")
    browser.until("document.querySelector('#said').textContent.includes('cannot be a class')")
    assert said(site.agent, digest) is None
    assert card(browser) == digest


def test_an_answer_is_corrected(browser: Chromium, site: Site) -> None:
    """Any of the last images is the card when it is tapped; undo gives back what was said before."""
    opened_on = site.agent.core.store.recent(5)[2]
    site.agent.label(opened_on.digest, "cup")
    browser.open(f"{site.address}/", width=360)
    browser.until("document.querySelectorAll('#recent li').length === 12")
    assert browser.evaluate("document.querySelector('#asking').hidden")
    assert browser.evaluate("document.querySelector('#recent li:nth-child(3) .told').textContent") == "You: cup"
    browser.tap("#recent li:nth-child(3) button")
    assert card(browser) == opened_on.digest
    assert browser.evaluate("document.querySelector('#asking-title').textContent") == "You said: cup"
    assert browser.evaluate("document.activeElement.id") == "asking-title"
    browser.tap(button("box"))
    heard(browser, site, opened_on.digest, "box")
    browser.until("document.querySelector('#recent li:nth-child(3) .told').textContent === 'You: box'")
    browser.tap("#undo")
    heard(browser, site, opened_on.digest, "cup")
    card(browser)
    browser.tap("#forget")
    heard(browser, site, opened_on.digest, None)


def test_a_thousand_classes(browser: Chromium, site: Site) -> None:
    """A few letters find one; the model's own answer is the first."""
    classes = [f"item {number:03}" for number in range(998)] + ["Ünïcode", "cup"]
    named(site.agent, classes)
    show(site.agent, 20, seed=7)
    first, second, third = asking(site.agent, 3)
    opened(browser, site)
    card(browser)
    kept = site.agent.core.store.find(first)
    assert kept is not None
    assert browser.evaluate("document.querySelector('#classes button').dataset.key") == kept.answer
    assert browser.evaluate("document.querySelector('#classes').getBoundingClientRect().height") < 400
    browser.press("/")
    browser.write("ünï")
    assert browser.evaluate("document.querySelector('#found').textContent") == "1 of 1000 classes"
    browser.press("Enter")
    heard(browser, site, first, "Ünïcode")
    assert card(browser) == second
    assert browser.evaluate("[document.activeElement.id, document.activeElement.value].join()") == "filter,"
    browser.write("item 99")
    browser.tap(button("item 996"))
    heard(browser, site, second, "item 996")
    assert card(browser) == third
    order = "[...document.querySelectorAll('#classes button')].slice(0, 3).map(button => button.dataset.key)"
    assert set(browser.evaluate(order)) >= {"item 996", "Ünïcode"}
    assert browser.evaluate("document.querySelector('#filter').value") == ""


@pytest.mark.long
def test_from_a_drift_to_enough_labels(browser: Chromium, tmp_path: Path) -> None:
    """As the agent itself decides: it grows dark, it asks for images that it chose, people answer, and it goes on."""
    with served(tmp_path) as site:
        browser.open(f"{site.address}/", width=360)
        show(site.agent, 80)
        browser.until("document.querySelector('#state-title').textContent === 'All is well'")
        show(site.agent, 16, seed=1, dark=True)
        site.agent.tick()
        browser.until("document.querySelector('#drift-words').className === 'odd'")
        assert browser.evaluate("document.querySelector('#state-title').textContent") == "Something changed"
        show(site.agent, 24, seed=2, dark=True)
        while not site.agent.core.store.asked():
            site.agent.tick()
            browser.evaluate("new Promise(again => setTimeout(again, 50))")
        browser.until("document.querySelector('#state-title').textContent === 'It needs your help'")
        asked = [kept.digest for kept in site.agent.core.store.asked()]
        browser.until(READY)
        for digest in asked:
            assert card(browser) == digest
            browser.press("1")
            heard(browser, site, digest, "ant")
        assert len(asked) == 5
        browser.until("document.querySelector('#progress-words').textContent === '5 labels: that is enough.'")
        site.agent.tick()
        assert site.agent.core.memory.state is not State.ASKING
        assert browser.complaints() == []
