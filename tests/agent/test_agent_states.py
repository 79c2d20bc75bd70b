"""The table of states: every one is reached, none is a trap, and what is decided in each is in the table."""

from __future__ import annotations

import ast
from pathlib import Path

import tbft_agent
from tbft_agent.states import TRANSITIONS, Event, State, following

AGENT = Path(tbft_agent.__file__).parent


def reached(begin: State) -> set[State]:
    """Every state that some events lead to from one."""
    found, ahead = set[State](), [begin]
    while ahead:
        state = ahead.pop()
        for (before, _), after in TRANSITIONS.items():
            if before is state and after not in found:
                found.add(after)
                ahead.append(after)
    return found


def test_every_state_is_reached() -> None:
    assert reached(State.WATCHING) == set(State)


def test_every_state_leads_back_to_watching() -> None:
    """A state without a way back would be an agent that never adapts again."""
    assert {state for state in State if State.WATCHING not in reached(state)} == set()


def test_somebody_can_go_back_a_version_in_every_state() -> None:
    """Whatever the agent is at: who sees that the model is bad must not wait."""
    assert {state: following(state, Event.ROLL_BACK) for state in State} == dict.fromkeys(State, State.WATCHING)


def test_every_event_means_something_somewhere() -> None:
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_every_event_is_one_that_somebody_tells() -> None:
    """An event that no code names would be a row of the table that is never taken."""
    named = {
        node.attr
        for path in AGENT.rglob("*.py")
        if path.name != "states.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Event"
    }
    assert named == {event.name for event in Event}


def test_what_means_nothing_changes_nothing() -> None:
    assert following(State.WATCHING, Event.BETTER) is None
