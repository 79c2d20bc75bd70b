"""A memory budget for a run that chooses among plans: it holds for each of them."""

from __future__ import annotations

import math
from bisect import bisect_left
from pathlib import Path

import pytest

from support.bundles import SPARSE, compiled
from support.runs import Recorder, fine_tune
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_runtime import TrainOptions
from tbft_runtime.run import division
from tbft_runtime.run.division import gradient_division
from tbft_runtime.run.resolve import resolve
from tbft_runtime.selection.choose import value_bytes
from tbft_runtime.training import memory
from tbft_runtime.training.memory import update_room

PROCESS = 50_000_000


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(compiled(SPARSE))


@pytest.fixture(autouse=True)
def _known_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "resident_memory", lambda: PROCESS)


def memory_left(bundle: Bundle, plan: Plan, budget: int, threads: int = 1) -> int:
    """Bytes that a memory budget leaves for the update of one plan."""
    settings = resolve(TrainOptions(data=Path(), out=Path(), threads=threads), plan, bundle)
    return update_room(bundle, plan, settings, 48, budget, fixed_threads=True)


@pytest.mark.parametrize("compute_budget", [1.0, None])
def test_a_memory_budget_lowers_the_updates(
    compute_budget: float | None, bundle: Bundle, tmp_path: Path, squares: Path
) -> None:
    """To what has room beside the rest of the process; the whole is then predicted to stay within it.

    Whichever plan is chosen: by default a shallow one, which has a prefix to load, too.
    """
    plans = bundle.manifest.sparse_plans
    assert [memory_left(bundle, plans[0], 10**6), memory_left(bundle, plans[0], 10**9) > 0] == [0, True]
    # The least budget that leaves room for so many bytes in each of them.
    budgets = range(PROCESS, 500_000_000, 500)
    least = bisect_left(budgets, 3_000, key=lambda budget: min(memory_left(bundle, plan, budget) for plan in plans))
    result = fine_tune(
        SPARSE,
        squares,
        tmp_path / "run",
        memory_budget=budgets[least],
        update_budget=6_000,
        compute_budget=compute_budget,
        epochs=1,
    )
    selection = result.selection
    assert selection is not None
    assert bundle.plan(selection.plan).has_prefix == (compute_budget is None)
    head = value_bytes(plans[0]) * sum(math.prod(parameter.shape) for parameter in plans[0].parameters)
    assert head < selection.update_bytes <= selection.update_budget < 6_000
    assert result.memory.total <= budgets[least]


def test_a_memory_budget_has_room_for_the_lanes_of_what_is_chosen(
    bundle: Bundle, tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen channels make a step worth more threads than the rest alone is, and each holds gradients of its own."""
    (plan, *_) = bundle.manifest.sparse_plans
    flops = (plan.cost.forward_flops + plan.cost.backward_flops) * plan.batch_size
    monkeypatch.setattr(division, "FLOPS_PER_LANE", flops // 2 + 1)
    budgets = range(PROCESS, 500_000_000, 500)
    least = bisect_left(budgets, 6_000, key=lambda budget: memory_left(bundle, plan, budget, threads=2))
    options = {"plan": plan.id, "threads": 2, "epochs": 1, "compute_budget": 1.0, "update_budget": 10**6}
    result = fine_tune(SPARSE, squares, tmp_path / "run", memory_budget=budgets[least], **options)
    assert result.selection is not None
    assert result.selection.update_budget < 10**6
    settings = resolve(TrainOptions(data=Path(), out=Path(), threads=2), plan, bundle)
    chosen = plan.with_channels(result.selection.channels)
    assert [gradient_division(each, settings).lanes for each in (plan, chosen)] == [1, 2]
    assert result.threads == 2
    assert result.memory.total <= budgets[least]


def test_a_memory_budget_that_one_plan_exceeds_is_refused_before_scoring(
    bundle: Bundle, tmp_path: Path, squares: Path
) -> None:
    """The deepest has no prefix and would fit, but another may be chosen."""
    deepest, *_, shallowest = bundle.manifest.sparse_plans
    budget = 75_000_000
    assert memory_left(bundle, deepest, budget) > 6_000
    assert memory_left(bundle, shallowest, budget) == 0
    watching = Recorder()
    with pytest.raises(TbftError, match="more than the budget of 75 MB"):
        fine_tune(SPARSE, squares, tmp_path / "run", watching, memory_budget=budget)
    assert "scoring layers and channels" not in watching.phases
    assert not (tmp_path / "run").exists()
    options = {"plan": deepest.id, "compute_budget": 1.0, "epochs": 1}
    assert fine_tune(SPARSE, squares, tmp_path / "run", memory_budget=budget, **options).memory.total <= budget
