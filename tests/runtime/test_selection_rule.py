"""From Fisher information and budgets to layers, channels and a plan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.sparse_plans import HEAD, made_up_layer, made_up_plans
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BYTES_PER_FLOAT, Plan
from tbft_runtime.run.selection_record import LayerChoice
from tbft_runtime.selection.choose import FIRST_SHARE, Budgets, Chosen, choose, full_backward

WITHOUT_LIMIT = Budgets(update_bytes=10**12, compute=1.0)
# A network whose layers are alike, and two plans in it.
ALIKE = [made_up_layer(number, (4, 2, 3, 3), positions=16) for number in range(4)]
PLANS = made_up_plans(ALIKE, starts=[0, 2])


def information(*totals: float) -> dict[str, np.ndarray]:
    """A total for each layer of `ALIKE`, the first channels having the most of it."""
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    return {layer.weight: total * shares for layer, total in zip(ALIKE, totals, strict=True)}


def layer_of(chosen: Chosen, number: int) -> LayerChoice:
    return next(layer for layer in chosen.layers if layer.weight == ALIKE[number].weight)


def row_bytes(plan: Plan, number: int) -> int:
    """What a row takes with gradient and optimizer state."""
    return ALIKE[number].row_values * BYTES_PER_FLOAT * (2 + len(plan.optimizer.slots))


def head_bytes(plan: Plan) -> int:
    return math.prod(HEAD.shape) * BYTES_PER_FLOAT * (2 + len(plan.optimizer.slots))


@dataclass(frozen=True)
class Case:
    plans: tuple[Plan, ...]
    fisher: dict[str, np.ndarray]
    budgets: Budgets


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Networks of a few layers, dead channels and equal ones among them; budgets that hold the head at least."""
    shapes = draw(st.lists(st.tuples(*[st.integers(1, 6)] * 3), min_size=1, max_size=5))
    layers = [made_up_layer(i, (k, c, 3, 3), positions) for i, (k, c, positions) in enumerate(shapes)]
    starts = sorted({0, *draw(st.sets(st.integers(0, len(layers) - 1)))})
    plans = made_up_plans(layers, starts, draw(st.integers(0, 2)))
    amounts = st.one_of(st.just(0.0), st.just(1.0), st.floats(1e-12, 1e6))
    fisher = {
        layer.weight: np.array(draw(st.lists(amounts, min_size=layer.shape[0], max_size=layer.shape[0])))
        for layer in layers
    }
    least = plans[-1].cost.backward_flops / full_backward(plans)
    budgets = Budgets(head_bytes(plans[0]) + draw(st.integers(0, 20_000)), draw(st.floats(min(1.0, least + 1e-6), 1.0)))
    return Case(plans, fisher, budgets)


def trained(case: Case, chosen: Chosen) -> Plan:
    return chosen.plan.with_channels({layer.weight: layer.channels for layer in chosen.layers})


@given(cases())
def test_no_budget_is_exceeded(case: Case) -> None:
    """Counted anew, from the manifest's own account of the plan with its rows."""
    chosen = choose(case.plans, case.fisher, case.budgets)
    plan = trained(case, chosen)
    values = sum(math.prod(parameter.shape) for parameter in plan.parameters)
    assert chosen.update_bytes == values * BYTES_PER_FLOAT * (2 + len(plan.optimizer.slots))
    assert chosen.update_bytes <= case.budgets.update_bytes
    assert chosen.compute == plan.cost.backward_flops / full_backward(case.plans) <= case.budgets.compute


@given(cases())
def test_a_layer_gives_its_best_channels(case: Case) -> None:
    """None twice, none beyond its number, none without information, and none that is worse than one left out."""
    for layer in choose(case.plans, case.fisher, case.budgets).layers:
        fisher = case.fisher[layer.weight]
        assert list(layer.channels) == sorted(set(layer.channels))
        assert set(layer.channels) <= set(np.flatnonzero(fisher > 0))
        assert (layer.informative, layer.size) == (np.count_nonzero(fisher), len(fisher))
        left_out = np.delete(fisher, layer.channels)
        if layer.channels and left_out.size:
            assert min(fisher[list(layer.channels)]) >= left_out.max()
        assert (layer.limit is None) == (len(layer.channels) == layer.informative)


@given(cases())
def test_the_plan_is_the_shallowest_that_reaches_every_choice(case: Case) -> None:
    chosen = choose(case.plans, case.fisher, case.budgets)
    weights = {layer.weight for layer in chosen.layers if layer.channels}

    def reaches(plan: Plan) -> bool:
        assert plan.sparse is not None
        return weights <= {layer.weight for layer in plan.sparse.layers}

    assert chosen.plan == [plan for plan in case.plans if reaches(plan)][-1]


@given(cases(), st.randoms(use_true_random=False))
def test_it_depends_on_nothing_else(case: Case, random: Random) -> None:
    """Neither on the order in which Fisher information is handed over, nor on its unit."""
    chosen = choose(case.plans, case.fisher, case.budgets)
    names = list(case.fisher)
    random.shuffle(names)
    again = choose(case.plans, {name: 4 * case.fisher[name] for name in names}, case.budgets)
    assert [(layer.weight, layer.channels) for layer in again.layers] == [
        (layer.weight, layer.channels) for layer in chosen.layers
    ]


@given(cases())
def test_without_limits_everything_that_has_information_is_chosen(case: Case) -> None:
    for layer in choose(case.plans, case.fisher, WITHOUT_LIMIT).layers:
        assert len(layer.channels) == layer.informative
        assert layer.limit is None


@given(cases())
def test_the_score_is_the_papers(case: Case) -> None:
    """P over the layer's share of the most weights and of the most MACs; the highest first."""
    assert case.plans[0].sparse is not None
    layers = {layer.weight: layer for layer in case.plans[0].sparse.layers}
    weights = {name: math.prod(layer.shape) for name, layer in layers.items()}
    macs = {name: layer.row_flops * layer.shape[0] / 2 for name, layer in layers.items()}
    found = choose(case.plans, case.fisher, case.budgets).layers
    assert sorted(layer.weight for layer in found) == sorted(layers)
    assert [layer.score for layer in found] == sorted((layer.score for layer in found), reverse=True)
    for layer in found:
        potential = case.fisher[layer.weight].sum()
        assert layer.potential == pytest.approx(potential)
        relative = weights[layer.weight] / max(weights.values()) * macs[layer.weight] / max(macs.values())
        assert layer.score == pytest.approx(potential / relative)


def test_half_of_a_layer_first_then_the_next() -> None:
    """What the best layer may have at once leaves room for the second; what is left goes back to the best."""
    budget = head_bytes(PLANS[0]) + 5 * row_bytes(PLANS[0], 0)
    chosen = choose(PLANS, information(0, 0, 1, 10), Budgets(budget, 1.0))
    assert FIRST_SHARE == 0.5
    assert layer_of(chosen, 3).channels == (0, 1, 2)
    assert layer_of(chosen, 2).channels == (0, 1)
    assert {layer_of(chosen, number).limit for number in (2, 3)} == {"update"}


def test_going_deeper_costs_its_part_of_the_backward_pass() -> None:
    """The best layer is out of reach, since the way down to it alone is too long: the next ones are taken."""
    allowed = (PLANS[0].cost.backward_flops - 1) / full_backward(PLANS)
    chosen = choose(PLANS, information(100, 0, 1, 10), Budgets(10**9, allowed))
    assert (layer_of(chosen, 0).channels, layer_of(chosen, 0).limit) == ((), "depth")
    assert layer_of(chosen, 0).depth == "from0"
    assert chosen.plan == PLANS[1]
    assert layer_of(chosen, 3).channels
    enough = (PLANS[0].cost.backward_flops + ALIKE[0].row_flops) / full_backward(PLANS)
    deep = choose(PLANS, information(100, 0, 1, 10), Budgets(10**9, enough))
    assert deep.plan == PLANS[0]
    assert layer_of(deep, 0).channels == (0,)
    assert layer_of(deep, 3).limit == "compute"


def test_a_layer_that_no_longer_fits_is_passed_over() -> None:
    """A large one whose rows have no room does not keep a small one out."""
    layers = [made_up_layer(0, (2, 1, 1, 1), 1), made_up_layer(1, (2, 50, 3, 3), 1)]
    plans = made_up_plans(layers, [0])
    budgets = Budgets(head_bytes(plans[0]) + 100, 1.0)
    chosen = choose(plans, {layers[0].weight: np.array([1e-9, 0]), layers[1].weight: np.ones(2)}, budgets)
    assert [(layer.weight, layer.channels, layer.limit) for layer in chosen.layers] == [
        (layers[1].weight, (), "update"),
        (layers[0].weight, (0,), None),
    ]


def test_of_equal_layers_the_one_near_the_output_comes_first() -> None:
    """Its gradient is the cheaper one; of equal channels the first."""
    fisher = {layer.weight: np.ones(4) for layer in ALIKE}
    chosen = choose(PLANS, fisher, Budgets(head_bytes(PLANS[0]) + row_bytes(PLANS[0], 0), 1.0))
    assert [layer.weight for layer in chosen.layers] == [layer.weight for layer in reversed(ALIKE)]
    assert layer_of(chosen, 3).channels == (0,)


def test_budgets_below_what_is_always_trained_are_refused() -> None:
    """With the figures."""
    fisher = information(1, 1, 1, 1)
    with pytest.raises(TbftError, match=r"take 288 bytes .* update budget of 287 bytes"):
        choose(PLANS, fisher, Budgets(head_bytes(PLANS[0]) - 1, 1.0))
    least = PLANS[1].cost.backward_flops / full_backward(PLANS)
    with pytest.raises(TbftError, match=f"plan 'from2' takes {least:.1%} .* compute budget of 1.0%"):
        choose(PLANS, fisher, Budgets(10**9, 0.01))


def test_a_network_that_cannot_be_trained_whole_is_held_against_its_deepest_plan() -> None:
    plans = tuple(msgspec.structs.replace(plan, full_cost=None) for plan in PLANS)
    every = {layer.weight: range(4) for layer in ALIKE}
    assert full_backward(plans) == plans[0].with_channels(every).cost.backward_flops
