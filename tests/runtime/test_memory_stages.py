"""A memory budget holds for every stage of a run: evaluating, re-estimating statistics, deciding what drifted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from support.bundles import CLASSES, compiled
from support.runs import Recorder, fine_tune
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_runtime import TrainOptions
from tbft_runtime.diagnosis import budget
from tbft_runtime.diagnosis.diagnose import deciding_plans
from tbft_runtime.diagnosis.samples import FEWEST
from tbft_runtime.run.execution import EVALUATION_BATCH
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.settings import Settings
from tbft_runtime.training import memory
from tbft_runtime.training.memory import fit_memory, plan_memory

PROCESS = 50_000_000
FREE: dict[str, Any] = {"fixed": False, "fixed_threads": False, "fixed_place": True}


@pytest.fixture
def _known_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (memory, budget):
        monkeypatch.setattr(module, "resident_memory", lambda: PROCESS)


def opened(name: str, **options: Any) -> tuple[Bundle, Plan, Settings]:
    bundle = open_bundle(compiled(name))
    plan = bundle.manifest.plans[0]
    return bundle, plan, resolve(TrainOptions(Path(), Path(), **options), plan, bundle)


def smallest(bundle: Bundle, plan: Plan, settings: Settings) -> Settings:
    """What is left under the smallest budget that fits."""
    low, high = 0, plan_memory(bundle, plan, settings, 100).total
    while high - low > 1:
        middle = (low + high) // 2
        try:
            fit_memory(bundle, plan, settings, 100, middle, **FREE)
            high = middle
        except TbftError:
            low = middle
    return fit_memory(bundle, plan, settings, 100, high, **FREE)


@pytest.mark.usefixtures("_known_process")
@pytest.mark.parametrize("name", ["feature-frozen", "input-batch", "feature-block"])
def test_evaluation_takes_fewer_images_too(name: str) -> None:
    """All of it shrinks together, where statistics of a batch do not need it whole."""
    bundle, plan, settings = opened(name, threads=2)
    assert settings.execution.evaluation_images == EVALUATION_BATCH
    fitted = smallest(bundle, plan, settings)
    assert fitted.threads == 1
    assert fitted.execution.evaluation_images == 1
    assert fitted.execution.prefix_images == (1 if plan.prefix_is_fixed else settings.execution.prefix_images)


@pytest.mark.usefixtures("_known_process")
def test_reestimated_statistics_are_of_fewer_images_too() -> None:
    """But of enough that a norm has a variance; without a budget they are of whole batches."""
    bundle, plan, settings = opened("feature-adapt", threads=1)
    assert settings.execution.statistics_images is None
    fitted = smallest(bundle, plan, settings)
    assert fitted.execution.statistics_images == memory.FEWEST_FOR_STATISTICS
    some = msgspec.structs.replace(settings, batch_size=4)
    assert smallest(bundle, plan, some).execution.statistics_images == 4


def test_a_run_with_few_images_at_once_ends_alike(
    tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prefix and an evaluation of one image at a time give what those of many give, up to rounding."""
    whole = fine_tune("feature-frozen", squares, tmp_path / "whole", epochs=1, threads=1)
    bundle, plan, settings = opened("feature-frozen", threads=1)
    least = smallest(bundle, plan, settings).execution
    assert least.evaluation_images == 1

    def small(_bundle: object, _plan: object, settings: Settings, *_: object, **__: object) -> Settings:
        return msgspec.structs.replace(settings, execution=least)

    monkeypatch.setattr("tbft_runtime.beginning.begin.within_budget", small)
    few = fine_tune("feature-frozen", squares, tmp_path / "few", epochs=1, threads=1)
    assert few.execution == least
    assert few.loss_after == pytest.approx(whole.loss_after, rel=1e-4)


@pytest.mark.usefixtures("_known_process")
@pytest.mark.parametrize("name", ["all-drifts", "all-plain"])
def test_a_decision_shrinks_with_its_budget(name: str) -> None:
    """Images at once, then threads, then samples; each within what was asked; and then it is refused with figures."""
    bundle, _, settings = opened(name, threads=4)
    plans = deciding_plans(bundle)
    assert budget.within(bundle, plans, settings, 128, None) == budget.Scale(128, 4)
    seen: list[budget.Scale] = []

    def shrink() -> None:
        budgets = range(90_000_000, 0, -100_000)
        seen.extend(budget.within(bundle, plans, settings, 128, budgeted) for budgeted in budgets)

    with pytest.raises(TbftError, match="more than the budget of") as refused:
        shrink()
    assert "`memory_budget`" in refused.value.hint
    assert seen[0].samples == 128
    assert [scale.samples for scale in seen] == sorted((scale.samples for scale in seen), reverse=True)
    assert seen[-1].samples >= FEWEST


@pytest.mark.usefixtures("_known_process")
def test_samples_are_the_last_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer say less; a note tells of it."""
    bundle, _, settings = opened("all-drifts", threads=2)
    plans = deciding_plans(bundle)
    monkeypatch.setattr(budget, "_values", lambda *arguments: arguments[-1].samples * 1_000_000)
    held = PROCESS + 3 * bundle.manifest.files[bundle.weights.name].bytes + 3 * memory.SESSION_BYTES
    assert budget.within(bundle, plans, settings, 128, held + 70_000_000).samples == 64
    assert budget.within(bundle, plans, settings, 128, held + 20_000_000).samples == FEWEST
    with pytest.raises(TbftError, match="at least"):
        budget.within(bundle, plans, settings, 128, held + 19_000_000)


@pytest.mark.long
@pytest.mark.parametrize("name", ["all-drifts", "all-plain"])
def test_a_small_scale_decides_alike(name: str, tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of one image on one thread give the plan that whole groups give."""
    plain = fine_tune(name, squares, tmp_path / "plain", Recorder(), epochs=1, threads=1, drift="auto")
    monkeypatch.setattr(
        "tbft_runtime.diagnosis.diagnose.within", lambda *arguments: budget.Scale(arguments[3], 1, images=1)
    )
    small = fine_tune(name, squares, tmp_path / "small", Recorder(), epochs=1, threads=1, drift="auto")
    assert small.plan == plain.plan


# Trains with a budget in a fresh process, and prints what the result says of memory.
TRAIN = """
import sys
from tbft_runtime import TrainOptions, train

bundle, data, out, budget = sys.argv[1:]
result = train(bundle, TrainOptions(data=data, out=out, epochs=1, meter="none", memory_budget=int(budget)))
print(result.peak_memory_bytes, result.memory.total, len(result.skipped_images))
"""


@pytest.mark.long
def test_photos_of_a_camera_are_read_within_the_budget(tmp_path: Path) -> None:
    """12 megapixels, lying and turned, of both formats; what has no room is skipped, and the prediction holds."""
    noise = np.random.default_rng(0).integers(0, 256, (95, 127, 3), np.uint8)
    photo = Image.fromarray(noise).resize((4056, 3040))
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in CLASSES[:2]:
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        photo.save(folder / "a.jpg", quality=80)
        photo.save(folder / "b.jpg", quality=80, exif=exif)
        photo.save(folder / "c.jpg", quality=80, progressive=True, subsampling=0)
        photo.save(folder / "d.png", compress_level=1, exif=exif)
    budgeted = 150_000_000
    command = [sys.executable, "-c", TRAIN, compiled("feature-frozen"), tmp_path / "photos", tmp_path / "run"]
    done = subprocess.run([*map(str, command), str(budgeted)], capture_output=True, text=True, check=True)
    peak, predicted, skipped = map(int, done.stdout.split())
    assert peak <= predicted <= budgeted
    assert skipped >= 2
