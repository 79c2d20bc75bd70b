"""Bundles with exits in every command, and what makes no sense of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from support.bundles import EXIT_PLANS, EXITS, compiled, compiled_copy
from support.runs import fine_tune
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_runtime import DiagnoseOptions, TuneOptions, diagnose, tune
from tbft_runtime.measure import MeasureRequest, measure

LABELS, _, DISTILL = EXIT_PLANS


def test_several_ways_need_a_choice(mixed: Path, squares: Path, tmp_path: Path) -> None:
    """The error names them all, and the hint the one that suits the data."""
    for data, suited in ((mixed, f"{DISTILL} suits data in which 40 of 80"), (squares, f"{LABELS} suits")):
        with pytest.raises(TbftError) as caught:
            fine_tune(EXITS, data, tmp_path / "run")
        assert all(plan in caught.value.message for plan in EXIT_PLANS)
        assert suited in caught.value.hint
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("bundle", "options", "told"),
    [
        (EXITS, {"plan": LABELS, "exit_accuracy": 85.0}, "`exit_accuracy` 85"),
        (EXITS, {"plan": LABELS, "exit_accuracy": 0.0}, "`exit_accuracy` 0"),
        ("feature-frozen", {"exit_accuracy": 0.85}, "has no exits"),
        (EXITS, {"drift": "output"}, "no plan for drift"),
        (EXITS, {"plan": LABELS, "batch_norm": "batch"}, "cannot train with `batch_norm` batch"),
    ],
)
def test_what_makes_no_sense_is_refused(
    bundle: str, options: dict[str, object], told: str, squares: Path, tmp_path: Path
) -> None:
    with pytest.raises(TbftError, match=told):
        fine_tune(bundle, squares, tmp_path / "run", **options)


@pytest.mark.parametrize(("kept", "told"), [(0, r"not float32 \(N, 4\)"), (2, r"not float32 \(N, 2, 4\)")])
def test_a_suffix_of_other_exits_is_refused(kept: int, told: str, squares: Path, tmp_path: Path) -> None:
    """A plan that names fewer exits than its graph has, or none, is not trained as if it were right."""
    plan = open_bundle(compiled(EXITS)).plan(LABELS)
    plan = msgspec.structs.replace(plan, exits=plan.exits[:kept])
    with pytest.raises(TbftError, match=told):
        fine_tune(compiled_copy(EXITS, tmp_path / "bundle", plans=(plan,)), squares, tmp_path / "run", epochs=1)


def test_other_commands_know_such_bundles(mixed: Path, tmp_path: Path) -> None:
    """A memory budget, tuning and measuring work; there is no drift to diagnose."""
    result = fine_tune(EXITS, mixed, tmp_path / "run", plan=DISTILL, epochs=1, memory_budget=2_000_000_000)
    assert result.memory.total <= 2_000_000_000
    assert tune(compiled(EXITS), TuneOptions(out=tmp_path / "tuned", plan=DISTILL, threads=1)).plan == DISTILL
    request = MeasureRequest(str(compiled(EXITS)), str(tmp_path / "weights"), plan=DISTILL, steps=1)
    assert len(measure(request).cached_step_ms) == 1
    with pytest.raises(TbftError, match="leaves no block to choose"):
        diagnose(compiled(EXITS), DiagnoseOptions(data=mixed))
