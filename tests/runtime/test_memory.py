"""What a run is expected to take of memory, and what it does to stay within a budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from safetensors.numpy import load_file

from support.bundles import compiled
from support.runs import fine_tune
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_runtime import TrainOptions
from tbft_runtime.run import division
from tbft_runtime.run.execution import EVALUATION_BATCH
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.settings import Settings
from tbft_runtime.training import memory
from tbft_runtime.training.memory import ARENA, SESSION_BYTES, fit_memory, plan_memory
from tbft_runtime.training.step import TrainStep

PROCESS = 50_000_000
IMAGES = 1000
FREE: dict[str, bool] = {"fixed": False, "fixed_threads": False, "fixed_place": False}


@pytest.fixture(autouse=True)
def _known_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "resident_memory", lambda: PROCESS)


def opened(name: str, **options: Any) -> tuple[Bundle, Plan, Settings]:
    bundle = open_bundle(compiled(name))
    plan = bundle.plan()
    return bundle, plan, resolve(TrainOptions(Path(), Path(), **options), plan, bundle)


def test_every_byte_is_accounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum of what the manifest says of each graph, for the images and threads that run at once."""
    monkeypatch.setattr(division, "FLOPS_PER_LANE", 1)
    bundle, plan, settings = opened("feature-frozen", threads=2, batch_size=24)
    execution = msgspec.structs.replace(settings.execution, micro_batch=5, prefix_images=7)
    settings = msgspec.structs.replace(settings, execution=execution)
    planned = plan_memory(bundle, plan, settings, IMAGES)
    gradient = plan.gradient_memory[plan.gradient_forms.index(execution.gradient_form)]
    assert execution.prefix_form is not None
    prefix = plan.prefix_memory[plan.prefix_forms.index(execution.prefix_form)]
    values = 2 * (gradient.bytes(5) + prefix.bytes(7) + plan.suffix_memory.bytes(EVALUATION_BATCH))
    assert planned.graphs == int(ARENA * values)
    assert planned.process == PROCESS
    assert planned.sessions == 4 * SESSION_BYTES
    assert planned.cache == 0
    assert planned.total == sum(msgspec.structs.asdict(planned).values())


def test_a_small_step_is_predicted_on_the_threads_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many lanes as the step has: each of them holds gradients and activations of its own."""
    bundle, plan, settings = opened("feature-frozen", threads=3, batch_size=24)
    flops = (plan.cost.forward_flops + plan.cost.backward_flops) * 24
    found = []
    for least in (flops, flops // 2, 1):
        monkeypatch.setattr(division, "FLOPS_PER_LANE", least)
        lanes = TrainStep(bundle, plan, settings, load_file(bundle.weights), None).division.lanes
        copies = 2 + len(plan.optimizer.slots) + 1 + lanes
        assert plan_memory(bundle, plan, settings, IMAGES).state == copies * plan.cost.parameter_bytes
        found.append((lanes, plan_memory(bundle, plan, settings, IMAGES).graphs))
    assert [lanes for lanes, _ in found] == [1, 2, 3]
    assert len({graphs for _, graphs in found}) > 1


def test_a_cache_in_memory_counts() -> None:
    """4 x 8 x 8 floats per image; half of it as float16."""
    bundle, plan, settings = opened("feature-frozen", cache_in="ram")
    row = 4 * 8 * 8 * 4
    assert plan_memory(bundle, plan, settings, IMAGES).cache == IMAGES * row
    half = msgspec.structs.replace(settings, cache="fp16")
    assert plan_memory(bundle, plan, half, IMAGES).cache == IMAGES * row // 2


def test_a_large_budget_changes_only_the_place_of_the_cache() -> None:
    """Everything as fast as without a budget, and the cache in memory."""
    bundle, plan, settings = opened("feature-frozen", threads=2)
    fitted = fit_memory(bundle, plan, settings, IMAGES, 10**12, **FREE)
    assert fitted == msgspec.structs.replace(settings, cache_in="ram")
    kept = fit_memory(bundle, plan, settings, IMAGES, 10**12, **{**FREE, "fixed_place": True})
    assert kept == settings


def test_fewer_images_at_once_come_before_fewer_threads() -> None:
    """The fastest choice that fits, down to the smallest; every one within its budget, and the leanest form between."""
    bundle, plan, settings = opened("feature-frozen", threads=2, batch_size=32)
    largest = plan_memory(bundle, plan, settings, IMAGES).total
    seen = []
    for budget in range(largest, 0, -1000):
        try:
            fitted = fit_memory(bundle, plan, settings, IMAGES, budget, **{**FREE, "fixed_place": True})
        except TbftError:
            break
        assert plan_memory(bundle, plan, fitted, IMAGES).total <= budget
        form = plan.gradient_forms.index(fitted.execution.gradient_form)
        choice = (fitted.threads, plan.gradient_memory[form].image_bytes, fitted.execution.micro_batch)
        if choice not in seen:
            seen.append(choice)
    of_forms = [memory.image_bytes for memory in plan.gradient_memory]
    now = of_forms[plan.gradient_forms.index(settings.execution.gradient_form)]
    assert seen[0] == (2, now, settings.execution.micro_batch)
    assert seen[-1] == (1, min(of_forms), 1)
    assert seen == sorted(seen, reverse=True)


def test_too_small_a_budget_is_refused_with_figures() -> None:
    """How much it takes at least, and of what."""
    bundle, plan, settings = opened("feature-frozen", threads=2)
    with pytest.raises(
        TbftError, match=r"takes \d+ MB at least, more than the budget of 10 MB \(process 50 MB"
    ) as error:
        fit_memory(bundle, plan, settings, IMAGES, 10_000_000, **FREE)
    assert "`memory_budget`" in error.value.hint


def test_batch_statistics_cannot_be_divided() -> None:
    """Those of whole batches; the hint names what can."""
    bundle, plan, settings = opened("input-batch")
    plan = msgspec.structs.replace(plan, statistics_part=None)
    with pytest.raises(TbftError) as error:
        fit_memory(bundle, plan, settings, IMAGES, 10_000_000, **FREE)
    assert "`batch_norm_part`" in error.value.hint
    fitted = fit_memory(bundle, plan, settings, IMAGES, 10**12, **FREE)
    assert fitted.execution == settings.execution


def test_a_block_is_whole_and_its_prefix_is_not() -> None:
    """`block`: the gradient graph takes the batch at once, the prefix in parts per thread, and its results are kept."""
    bundle, plan, settings = opened("feature-block", threads=2, batch_size=24, cache_in="ram")
    execution = settings.execution
    assert execution.prefix_form is not None
    prefix = plan.prefix_memory[plan.prefix_forms.index(execution.prefix_form)]
    values = plan.gradient_memory[0].bytes(24) + 2 * prefix.bytes(execution.prefix_images)
    planned = plan_memory(bundle, plan, settings, IMAGES)
    assert planned.graphs == int(ARENA * (values + 2 * plan.suffix_memory.bytes(EVALUATION_BATCH)))
    assert planned.cache == IMAGES * 4 * 8 * 8 * 4
    fitted = fit_memory(bundle, plan, settings, IMAGES, planned.total - 1, **{**FREE, "fixed_place": True})
    assert fitted.threads == 2
    assert fitted.execution.prefix_images < execution.prefix_images


def test_a_resumed_run_is_not_changed() -> None:
    """Another division would round differently; it goes on as it was, or not at all."""
    bundle, plan, settings = opened("feature-frozen", threads=2)
    enough = plan_memory(bundle, plan, settings, IMAGES).total
    assert fit_memory(bundle, plan, settings, IMAGES, enough, **{**FREE, "fixed": True}) == settings
    with pytest.raises(TbftError):
        fit_memory(bundle, plan, settings, IMAGES, enough - 1, **{**FREE, "fixed": True})


def test_a_run_reports_what_was_predicted(tmp_path: Path, squares: Path) -> None:
    """With a budget or without; a refused run leaves nothing behind."""
    result = fine_tune("feature-frozen", squares, tmp_path / "run", epochs=1)
    assert result.memory.process == PROCESS
    with pytest.raises(TbftError, match="budget"):
        fine_tune("feature-frozen", squares, tmp_path / "refused", epochs=1, memory_budget=1000)
    assert not (tmp_path / "refused").exists()
