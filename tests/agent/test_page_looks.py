"""The page in a real browser: whole and readable on phones and desktops, by day and night, whatever it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from support import hostile
from support.chromium import Chromium
from support.page_faults import assert_usable, axe_finds
from support.served_agents import Site, asking, named, served, show
from tbft_agent.agent import Agent
from tbft_agent.memory import Trial
from tbft_agent.states import State

TURNED = (
    "שלום עולם",
    "مرحبا",
    "\N{RIGHT-TO-LEFT OVERRIDE}deffuts",
    "\N{POP DIRECTIONAL ISOLATE}x\N{RIGHT-TO-LEFT MARK}y",
)
ODD = (*hostile.CLASSES, *TURNED, "و" * 100, "<script>ran = true</script>", "a b\tc", "&amp;")
TEN = ("bottle", "box", "can", "cup", "glove", "jar", "lid", "plate", "spoon", "tray")
FIGURES = {"how": "learned another head", "right before": 8, "right after": 17, "chance": 0.01, "joules": 3.5}


def drifting(agent: Agent, classes: tuple[str, ...] = TEN) -> None:
    """What is normal is known, then it grows dark, and it asks."""
    named(agent, classes)
    show(agent, 80)
    show(agent, 16, seed=1, dark=True)
    agent.tick()
    assert agent.core.memory.state is State.DRIFTED
    first, second, *_ = asking(agent)
    agent.label(first, classes[0])
    agent.label(second, "")
    agent.core.journal.write("undecided", "labels are too few", images=5, **FIGURES)


def two_classes(agent: Agent) -> None:
    drifting(agent, ("cat", "dog", "cat, too", "dog, too"))
    named(agent, ("cat", "dog"))


def on_probation(agent: Agent) -> None:
    named(agent, TEN)
    show(agent, 80)
    agent.core.journal.write("better", "version 1 answers", images=20, version=1, verified=True, **FIGURES)
    agent.core.remember(state=State.PROBATION, trial=Trial(images=20, confidence=18.0))


SITUATIONS: dict[str, Callable[[Agent], object]] = {
    "new": lambda _: None,
    "calm": lambda agent: show(agent, 80),
    "drifting": drifting,
    "two": two_classes,
    "thousand": lambda agent: drifting(agent, tuple(f"class {number} of them" for number in range(1000))),
    "odd": lambda agent: drifting(agent, ODD),
    "probation": on_probation,
}


@pytest.fixture(scope="module", params=SITUATIONS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("agent")) as found:
        SITUATIONS[request.param](found.agent)
        yield found


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_whole_and_everybody_can_use_it(browser: Chromium, site: Site, width: int, scheme: str) -> None:
    browser.open(f"{site.address}/", width=width, scheme=scheme)
    browser.until("!document.querySelector('#state-title').textContent.startsWith('Loading')")
    browser.until("[...document.images].every(image => image.complete || image.loading === 'lazy')")
    assert_usable(browser)
    assert axe_finds(browser) == []
    background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(background.removeprefix("rgb(").split(",")[0]) > 128) == (scheme == "light")


@pytest.mark.parametrize("width", [320, 500, 800, 900, 1920])
def test_other_widths_cut_nothing_off(browser: Chromium, tmp_path: Path, width: int) -> None:
    with served(tmp_path) as found:
        drifting(found.agent, ODD)
        browser.open(f"{found.address}/", width=width)
        browser.until("document.querySelector('#classes button')")
        browser.evaluate("document.querySelector('#new').click()")
        assert_usable(browser)


def test_names_of_strangers_are_text(browser: Chromium, tmp_path: Path) -> None:
    """Each stands in a box of its own, in full, and neither runs nor turns what is beside it."""
    with served(tmp_path) as found:
        drifting(found.agent, ODD)
        found.agent.label(asking(found.agent)[4], ODD[-3])
        browser.open(f"{found.address}/", width=360)
        browser.until("document.querySelector('#classes button')")
        shown = browser.evaluate("[...document.querySelectorAll('#classes bdi')].map(name => name.textContent)")
        assert sorted(shown) == sorted(ODD)
        assert browser.evaluate("typeof ran") == "undefined"
        assert browser.evaluate("document.querySelectorAll('main :is(script, b)').length") == 0
        boxes = "[...document.querySelectorAll('.name')].map(name => getComputedStyle(name).display)"
        assert "inline" not in browser.evaluate(boxes)
        assert set(
            browser.evaluate("[...document.querySelectorAll('bdi')].map(name => getComputedStyle(name).unicodeBidi)")
        ) == {"isolate"}


@pytest.mark.parametrize(
    ("changes", "title", "says"),
    [
        ({}, "All is well", "The images look like those that the model knows."),
        ({"state": "drifted", "cause": "images"}, "Something changed", "look different"),
        ({"state": "asking", "cause": "answers"}, "It needs your help", "its answers are wrong too often"),
        ({"state": "adapting"}, "It is learning", "goes on answering"),
        ({"state": "proving"}, "It is being checked", "compared"),
        ({"state": "probation"}, "A new model answers", "watched"),
        ({"verifying": True}, "It is watching", "No label says yet that the new model is right"),
        ({"learning_normal": True}, "It is getting to know this place", "learns what is normal"),
    ],
)
def test_each_state_has_words(
    browser: Chromium,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, object],
    title: str,
    says: str,
) -> None:
    """No state is shown by the name that the program has for it."""
    with served(tmp_path) as found:
        status = msgspec.structs.replace(found.status(), **({"learning_normal": False} | changes))
        monkeypatch.setattr("tbft_agent.web.app.status_of", lambda _: status)
        browser.open(f"{found.address}/")
        browser.until(f"document.querySelector('#state-title').textContent === '{title}'")
        assert says in browser.evaluate("document.querySelector('#state-says').textContent")
