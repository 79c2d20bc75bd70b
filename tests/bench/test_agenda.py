"""The agenda measures what the goals ask for, every engine in the same turn, in the time that it names."""

from __future__ import annotations

import pytest

from benchmarks.agenda import ALWAYS, FULL, PEERS, QUICK, Scale, StepsItem, TrainingsItem, agenda, minutes
from benchmarks.figures import DEFAULTS
from benchmarks.goals import DRIFTS, GOALS, NETWORKS
from benchmarks.results import Contestant


@pytest.mark.parametrize("scale", [FULL, QUICK], ids=["full", "quick"])
@pytest.mark.parametrize("peers", [False, True])
def test_everyone_trains_each_drift_by_its_default_policy(scale: Scale, peers: bool) -> None:
    engines = {*ALWAYS, *(PEERS if peers else ())}
    items = agenda(scale, scale.networks, peers=peers)
    fields = [(set(item.contestants), item.threads) for item in items if isinstance(item, StepsItem)]
    for network in scale.networks:
        for drift in DRIFTS:
            wanted = {Contestant(engine, drift, DEFAULTS[drift], network) for engine in engines}
            assert all((wanted, threads) in fields for threads in scale.threads)
    trainings = [item for item in items if isinstance(item, TrainingsItem)]
    everyone = {Contestant(engine, drift, DEFAULTS[drift]) for engine in ALWAYS for drift in DRIFTS}
    assert [(set(item.contestants), item.threads) for item in trainings] == [(everyone, n) for n in scale.threads]


def test_every_goal_can_be_held_against_a_full_run() -> None:
    assert FULL.networks == NETWORKS
    for goal in GOALS:
        assert set(goal.networks) <= set(NETWORKS)
        assert all(goal.at_least(drift, threads) for drift in DRIFTS for threads in FULL.threads)


def test_one_network_alone() -> None:
    items = agenda(FULL, ["mobilenet_v2"], peers=False)
    assert len(items) == len(DRIFTS) * len(FULL.threads)
    assert {each.network for item in items for each in item.contestants} == {"mobilenet_v2"}


def test_it_ends_in_time() -> None:
    assert minutes(agenda(FULL, FULL.networks, peers=False)) < 40
    assert minutes(agenda(QUICK, QUICK.networks, peers=False)) < 4.5
