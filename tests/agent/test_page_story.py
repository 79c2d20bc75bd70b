"""The whole story in a real browser and over HTTP: it grows dark, people answer, and what it learned is held against
what it was, answers, is accepted, and is given back. Trainings are real, and the limit on what is forgotten, too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.agents import dark_pictures, old_pictures
from support.bundles import CLASSES, KEPT
from support.chromium import Chromium
from support.served_agents import Site, served
from support.toys import OLD_COLOURS, coloured_squares
from tbft_agent.settings import Adapting, Asking, Probation, Watching
from tbft_agent.states import State
from tbft_agent.trying import Tried, Why

_TITLE = "document.querySelector('#state-title').textContent"
_READY = "document.querySelector('#classes button') && document.querySelector('#picture').complete"


@dataclass
class Street:
    """What the camera sees, by what was sent to the endpoint."""

    site: Site
    numbers: dict[str, int] = field(default_factory=dict)

    def send(self, count: int, seed: int, *, dark: bool) -> None:
        shown = (dark_pictures if dark else old_pictures)(count, seed)
        for content, number in zip(shown, coloured_squares(count, seed, colours=OLD_COLOURS)[1], strict=True):
            self.numbers[hashlib.sha256(content).hexdigest()] = int(number)
            assert self.site.ask("POST", "/predict", content).status == 200

    def shows(self, digest: str) -> str:
        return CLASSES[self.numbers[digest]]


def go_on(browser: Chromium, site: Site, *states: State) -> None:
    """Let the agent look around until it is at one of these."""
    for _ in range(1200):
        site.agent.tick()
        if site.agent.core.memory.state in states:
            return
        browser.evaluate("new Promise(again => setTimeout(again, 50))")
    pytest.fail(f"it is {site.agent.core.memory.state}, and waits for {site.agent.core.waits_for}")


@pytest.mark.long
def test_from_the_dark_to_a_model_that_somebody_keeps(browser: Chromium, tmp_path: Path) -> None:
    settings = {
        "watch": Watching(window=8),
        "adapt": Adapting(images=32, labels=20, most_celsius=None, memory="512MB", meter="none"),
        "ask": Asking(every_days=0),
        "probation": Probation(images=1000),
    }
    with served(tmp_path, bundle=KEPT, **settings) as site:
        street = Street(site)
        browser.open(f"{site.address}/", width=360)
        street.send(40, 1, dark=False)
        site.agent.tick()
        browser.until(f"{_TITLE} === 'All is well'")
        street.send(16, 2, dark=True)
        site.agent.tick()
        browser.until(f"{_TITLE} === 'Something changed'")
        street.send(64, 3, dark=True)
        go_on(browser, site, State.ASKING)
        while not site.agent.core.store.asked():
            go_on(browser, site, State.ASKING)
            browser.evaluate("new Promise(again => setTimeout(again, 50))")
        browser.until(f"{_TITLE} === 'It needs your help'")
        for kept in site.agent.core.store.asked():
            browser.until(f"{_READY} && document.querySelector('#picture').src.endsWith('{kept.digest}')")
            # What is pressed sooner was meant for the image before.
            browser.evaluate("new Promise(seen => setTimeout(seen, 300))")
            browser.tap(f"#classes button[data-key='{street.shows(kept.digest)}']")
        browser.until("document.querySelector('#progress-words').textContent === '20 labels: that is enough.'")
        go_on(browser, site, State.PROBATION)

        browser.until(f"{_TITLE} === 'A new model answers'")
        judged = site.status().judged
        assert judged is not None
        assert judged.verified
        browser.until("!document.querySelector('#judged').hidden")
        assert "Verified" in browser.evaluate("document.querySelector('#judged-verdict').textContent")
        for part, right in (("before", judged.right_before), ("after", judged.right_after)):
            words = browser.evaluate(f"document.querySelector('#{part}-words').textContent")
            assert words.startswith(f"{right} of {judged.images} right")
        assert judged.right_after > judged.right_before
        assert browser.evaluate("document.querySelector('#accept').textContent") == "Keep the new model"
        browser.tap("#accept")
        browser.until("document.querySelector('#accept').hidden")
        assert site.agent.core.memory.state is State.WATCHING
        assert site.agent.core.memory.chosen == 1

        assert site.tell("/api/rollback").body == b'{"version":0}'
        browser.until("document.querySelector('#model').textContent.includes('the model as it came')")
        refused = site.tell("/api/rollback")
        assert (refused.status, b"none came before it" in refused.body) == (400, True)
        assert browser.complaints() == []


def test_what_came_to_nothing_is_said(browser: Chromium, tmp_path: Path) -> None:
    """The page said that all is well, while the same was learned, refused and forgotten every night."""
    with served(tmp_path, bundle=KEPT) as site:
        core = site.agent.core
        tried = Tried(why=Why.FORGETS, times=2, at=core.age.seconds(), episode=core.memory.episode, with_labels=True)
        core.remember(unresolved=True, tried=tried)
        core.troubles["camera"] = "the camera's folder is gone"
        site.agent.tick()
        browser.open(f"{site.address}/", width=360)
        browser.until(f"{_TITLE} === 'It could not learn this'")
        waits = browser.evaluate("document.querySelector('#waits').textContent")
        assert "came to nothing 2 times; it tries again with 10 more labels, or in 2.0 days" in waits
        assert "The camera's folder is gone." in waits
        assert browser.complaints() == []
