"""Settings that make no sense are refused before anything is written, and defaults are the bundle's."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.bundles import compiled, compiled_copy
from support.runs import fine_tune
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BatchNormPolicy
from tbft_runtime import TrainOptions
from tbft_runtime.run.resolve import RULES, resolve
from tbft_runtime.run.settings import Settings


def resolved(bundle: str, **options: Any) -> Settings:
    opened = open_bundle(compiled(bundle))
    return resolve(
        TrainOptions(data=Path("data"), out=Path("run"), **options), opened.plan(options.get("plan")), opened
    )


def test_defaults_are_the_bundles() -> None:
    """What the host chose at export holds on the device unless it is told otherwise."""
    settings = resolved("feature-adamw")
    (plan,) = open_bundle(compiled("feature-adamw")).manifest.plans
    assert (settings.lr, settings.momentum, settings.weight_decay) == (0.01, 0.9, 0.01)
    assert settings.batch_size == plan.batch_size == 8
    assert settings.batch_norm == plan.batch_norm == "frozen"
    assert settings.threads == len(os.sched_getaffinity(0))
    assert settings.data == str(Path("data").resolve())


def test_zero_is_not_none() -> None:
    """`--momentum 0` is plain SGD, not the default."""
    settings = resolved("feature-frozen", momentum=0.0, weight_decay=0.0, lr=0.0)
    assert (settings.momentum, settings.weight_decay, settings.lr) == (0.0, 0.0, 0.0)


NONSENSE: dict[str, tuple[Any, ...]] = {
    "lr": (-0.1, float("nan"), float("inf")),
    "momentum": (-0.1, float("nan")),
    "weight_decay": (-1.0, float("inf")),
    "batch_size": (0, -1),
    "epochs": (-1,),
    "patience": (0,),
    "threads": (0,),
    "seed": (-1, 2**64),
    "val_fraction": (0.0, 1.0, -0.5, float("nan")),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in NONSENSE.items() for value in values])
def test_nonsense_is_refused(name: str, value: Any, tmp_path: Path, squares: Path) -> None:
    """With an error that names the setting, and no run folder left behind."""
    with pytest.raises(TbftError) as caught:
        fine_tune("feature-frozen", squares, tmp_path / "run", **{name: value})
    assert name.replace("_", " ") in caught.value.message.replace("_", " ")
    assert str(value) in caught.value.message
    assert not (tmp_path / "run").exists()


ALLOWED = {
    ("feature-frozen", "frozen"),
    ("feature-frozen", "adapt"),
    ("feature-adapt", "frozen"),
    ("feature-adapt", "adapt"),
    ("feature-block", "block"),
    ("feature-block", "adapt"),
    ("feature-batch", "batch"),
}


@pytest.mark.parametrize("asked", ["frozen", "adapt", "block", "batch"])
@pytest.mark.parametrize("bundle", ["feature-frozen", "feature-adapt", "feature-block", "feature-batch"])
def test_a_policy_needs_its_graphs(bundle: str, asked: str) -> None:
    """Fixed statistics share their graphs; those of the batch have their own. What is re-estimated may then move."""
    if (bundle, asked) in ALLOWED:
        assert resolved(bundle, batch_norm=asked).batch_norm == asked
        return
    with pytest.raises(TbftError, match=f"cannot train with `batch_norm` {asked}") as caught:
        resolved(bundle, batch_norm=asked)
    assert "export a bundle" in caught.value.hint


def test_zero_epochs_only_re_estimate() -> None:
    """`--epochs 0` without `--bn adapt` would do nothing; with it, any plan can."""
    with pytest.raises(TbftError, match="nothing is trained") as caught:
        resolved("feature-frozen", epochs=0)
    assert "`batch_norm` adapt" in caught.value.hint
    assert resolved("feature-batch", epochs=0, batch_norm="adapt").batch_norm == "adapt"


def test_a_block_without_norms_is_frozen(tmp_path: Path) -> None:
    """Its graphs are the same, so a run may say either."""
    plan = open_bundle(compiled("output-frozen")).plan()
    assert plan.batch_statistics == ()
    bundle = compiled_copy(
        "output-frozen", tmp_path / "bundle", plans=(msgspec.structs.replace(plan, batch_norm="block"),)
    )
    opened = open_bundle(bundle)
    allowed: tuple[BatchNormPolicy, ...] = ("frozen", "adapt", "block")
    for asked in allowed:
        settings = resolve(TrainOptions(Path("data"), Path("run"), batch_norm=asked), opened.plan(), opened)
        assert settings.batch_norm == asked
    with pytest.raises(TbftError, match="cannot train with `batch_norm` batch"):
        resolve(TrainOptions(Path("data"), Path("run"), batch_norm="batch"), opened.plan(), opened)


def test_an_unknown_plan_lists_the_known() -> None:
    """The hint can be copied."""
    with pytest.raises(TbftError, match="no plan 'rear'") as caught:
        resolved("feature-frozen", plan="rear")
    assert "feature-frozen-sgd" in caught.value.hint


def test_every_option_has_one_rule() -> None:
    """An option without one would be dropped without a word, and a setting without one never be set."""
    names = [rule.name for rule in RULES]
    options = [field.name for field in dataclasses.fields(TrainOptions)]
    of_the_process = {"plan", "drift", "out", "memory_budget", "meter", "profile", "base", "resume", "expect_id"}
    assert sorted([*names, *of_the_process]) == sorted(options)
    settings = [field.name for field in msgspec.structs.fields(Settings)]
    assert sorted([*names, "bundle_id", "plan", "execution", "tuned"]) == sorted(settings)


def test_a_run_from_before_the_cache_can_be_resumed(tmp_path: Path, squares: Path) -> None:
    """Its settings say nothing of a cache: it gets the default, which ends in the same weights."""
    fine_tune("feature-frozen", squares, tmp_path / "run", epochs=1)
    path = tmp_path / "run" / "run.json"
    stored = json.loads(path.read_bytes())
    assert (stored["settings"].pop("cache"), stored["settings"].pop("cache_in")) == ("fp32", "disk")
    path.write_text(json.dumps(stored))
    assert fine_tune("feature-frozen", squares, tmp_path / "run", epochs=2, resume=True).cache.format == "fp32"
