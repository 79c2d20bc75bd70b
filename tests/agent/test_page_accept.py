"""What people decide of a new model, by HTTP and page: keep it, use it though labels cannot tell, or go back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.agents import METERED
from support.chromium import Chromium
from support.runs import fine_tune
from support.served_agents import Site, served, show
from tbft_agent.adapting.lesson import Candidate
from tbft_agent.adapting.proof import Proof
from tbft_agent.agent import Agent
from tbft_agent.pupil import Proven
from tbft_agent.serving.served import serve
from tbft_agent.states import Event, State, following
from tbft_artifacts.errors import TbftError


@dataclass
class Ready:
    """A pupil that has learned already."""

    proven: Proven | None
    is_busy: bool = False
    chosen: list[int] = field(default_factory=list)
    stops: int = 0

    def result(self) -> Proven | None:
        found, self.proven = self.proven, None
        return found

    def choose(self, _: object, count: int) -> None:
        self.chosen.append(count)

    def spent(self) -> None:
        """Nothing."""

    def compared(self) -> None:
        """Nothing."""

    def asked(self) -> None:
        return None

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with served(tmp_path) as found:
        show(found.agent, 12)
        yield found


def learned(agent: Agent, squares: Path, images: int, before: int, after: int) -> None:
    """A candidate is held against the model that answers, and labels of so many images say this; it is judged."""
    core = agent.core
    run = core.place.work / "run"
    fine_tune("output-frozen", squares, run, epochs=1)
    candidate = Candidate(run, "learned another head", METERED)
    proof = Proof(images=images, right_before=before, right_after=after, chance=0.5 ** (after - before))
    core.pupil = Ready(Proven(core.lesson(), candidate, serve(run, 1), None, 0.8, proof))  # type: ignore[assignment]
    core.remember(state=State.PROVING, needs_labels=True)
    agent.tick()


def test_only_what_waits_for_people_is_accepted() -> None:
    accepted = {state: following(state, Event.ACCEPTED) for state in State}
    assert accepted == {
        State.WATCHING: None,
        State.DRIFTED: State.PROBATION,
        State.ASKING: State.PROBATION,
        State.ADAPTING: None,
        State.PROVING: None,
        State.PROBATION: State.WATCHING,
    }


@pytest.mark.parametrize("state", State)
def test_without_a_new_model_nothing_is_accepted(site: Site, state: State) -> None:
    """Also where the table would go on: the agent that was drifted or asks has no candidate."""
    if state is State.PROBATION:
        return
    site.agent.core.remember(state=state)
    answer = site.tell("/api/accept")
    assert (answer.status, answer.body) == (409, b"there is no new model to accept")
    assert site.agent.core.memory.state is state
    assert not site.status().acceptable


def test_a_candidate_that_labels_did_not_decide_on(site: Site, squares: Path) -> None:
    """It answers, not verified, and on probation; a second accept ends that."""
    learned(site.agent, squares, images=4, before=1, after=2)
    status = site.status()
    assert (status.state, status.acceptable, status.version.number) == ("asking", True, 0)
    assert status.judged is not None
    assert (status.judged.what, status.judged.version, status.judged.verified) == ("undecided", None, False)
    assert (status.judged.images, status.judged.right_before, status.judged.right_after) == (4, 1, 2)
    assert json.loads(site.tell("/api/accept").body) == {"version": 1, "state": "probation"}
    assert site.agent.core.pupil.stops == 1  # type: ignore[attr-defined]
    status = site.status()
    assert (status.version.number, status.version.verified, status.labels_wanted, status.asked) == (1, False, 0, ())
    assert status.judged is not None
    assert (status.judged.what, status.judged.version, status.judged.verified) == ("accepted", 1, False)
    assert (
        json.loads(
            site.ask(
                "POST", "/predict", site.agent.core.store.path(site.agent.core.store.recent(1)[0]).read_bytes()
            ).body
        )["version"]
        == 1
    )
    assert json.loads(site.tell("/api/accept").body) == {"version": 1, "state": "watching"}
    assert site.tell("/api/accept").status == 409
    assert site.agent.core.versions.current == 1


def test_also_while_it_waits_for_permission(site: Site, squares: Path) -> None:
    """The labels came, and it is too hot to hold the candidate against them."""
    learned(site.agent, squares, images=4, before=1, after=2)
    site.agent.core.remember(state=State.DRIFTED)
    assert site.agent.accept() == 1
    assert site.agent.core.undecided is None


def test_a_disk_that_is_full_leaves_the_candidate(site: Site, squares: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be accepted later, and what answered answers."""
    learned(site.agent, squares, images=4, before=1, after=2)

    def full(*_: object) -> None:
        raise TbftError("the disk is full", "free some space")

    with monkeypatch.context() as patched:
        patched.setattr(type(site.agent.core.versions), "keep", full)
        assert site.tell("/api/accept").status == 400
    assert (site.agent.core.memory.state, site.agent.core.answering.version) == (State.ASKING, 0)
    assert site.agent.accept() == 1


def test_roll_back_throws_the_candidate_away(site: Site, squares: Path) -> None:
    learned(site.agent, squares, images=4, before=1, after=2)
    assert json.loads(site.tell("/api/rollback").body) == {"version": 0}
    assert (site.status().state, site.status().acceptable) == ("watching", False)
    assert site.tell("/api/accept").status == 409


def test_what_is_no_better_is_not_acceptable(site: Site, squares: Path) -> None:
    learned(site.agent, squares, images=20, before=9, after=9)
    assert not site.status().acceptable
    assert site.tell("/api/accept").status == 409


def text(browser: Chromium, selector: str) -> str:
    found: str = browser.evaluate(f"document.querySelector('{selector}').innerText")
    return found


def test_on_the_page(browser: Chromium, site: Site, squares: Path) -> None:
    """Before and after are shown; what cannot be undone is asked once more, and Escape is no."""
    learned(site.agent, squares, images=4, before=1, after=2)
    browser.open(f"{site.address}/", width=360)
    browser.until("!document.querySelector('#accept').hidden")
    assert "Not decided" in text(browser, "#judged-verdict")
    assert [text(browser, f"#{name}-words") for name in ("before", "after")] == [
        "1 of 4 right (25\xa0%)",
        "2 of 4 right (50\xa0%)",
    ]
    browser.tap("#accept")
    browser.until("document.querySelector('#sure').open")
    browser.press("Escape")
    browser.until("!document.querySelector('#sure').open")
    browser.tap("#accept")
    browser.tap("#sure-yes")
    browser.until("document.querySelector('#state-title').textContent === 'A new model answers'")
    assert "Not verified" in text(browser, "#judged-verdict")
    assert text(browser, "#accept") == "Keep the new model"
    browser.tap("#rollback")
    browser.tap("#sure-yes")
    browser.until("document.querySelector('#state-title').textContent !== 'A new model answers'")
    assert "It does not answer any more: somebody wants the model before." in text(browser, "#judged-verdict")
    assert site.agent.core.answering.version == 0
    assert browser.complaints() == []


def test_train_now_and_pause(browser: Chromium, site: Site) -> None:
    browser.open(f"{site.address}/")
    browser.until("document.querySelector('#adapt').getAttribute('aria-disabled') === 'false'")
    browser.tap("#pause")
    browser.until("document.querySelector('#pause').textContent === 'Go on training'")
    assert "Training is paused" in text(browser, "#waits")
    assert site.agent.core.memory.paused
    browser.tap("#adapt")
    browser.until("document.querySelector('#adapt').getAttribute('aria-disabled') === 'true'")
    assert site.agent.core.memory.state is State.DRIFTED
    browser.tap("#adapt")
    assert browser.complaints() == []
