"""`keep_going`: of several plans those that cannot be made are left out and named, and the others are whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import Ended
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_export import ExportOptions, export_bundle, plans
from tbft_export.plans import Draft, Made, Maker, PlanRequest
from tbft_export.progress import PlanSteps

# What is in front of its rounding has no gradient.
ROUNDS = "support.tiny_models:tiny_without_gradient"
LEFT, MADE = ("input-batch-sgd", "full-batch-sgd"), ("feature-block-sgd", "output-frozen-sgd")


def options(model: str = ROUNDS, **changes: object) -> ExportOptions:
    return ExportOptions(**{"model": model, "drift": "all", "image_size": 8, "keep_going": True, **changes})  # type: ignore[arg-type]


def test_what_can_be_made_is_the_same_as_alone(tmp_path: Path) -> None:
    """Every file of the plans that are there, and none of the others."""
    exported = export_bundle(options(), tmp_path / "some")
    assert tuple(plan.id for plan in exported.manifest.plans) == MADE
    assert [each.plan for each in exported.left_out] == list(LEFT)
    assert all("operator Round" in each.reason and "behind it" in each.hint for each in exported.left_out)
    bundle = open_bundle(tmp_path / "some")
    assert all(plan.full_cost is None for plan in bundle.manifest.plans)
    assert sorted(path.name for path in (tmp_path / "some" / "plans").iterdir()) == sorted(MADE)
    alone = export_bundle(options(drift="feature", keep_going=False), tmp_path / "one").manifest
    own = {name: entry for name, entry in alone.files.items() if name.startswith("plans/")}
    assert own.items() <= bundle.manifest.files.items()


def test_where_all_can_be_made_it_changes_nothing(tmp_path: Path) -> None:
    made = [
        export_bundle(options("support.tiny_models:tiny_plain", keep_going=keep), tmp_path / str(keep))
        for keep in (True, False)
    ]
    assert made[0].left_out == ()
    assert made[0].manifest == made[1].manifest


def test_without_it_the_hint_names_it(tmp_path: Path) -> None:
    with pytest.raises(TbftError, match="plan input-batch-sgd: operator Round") as refused:
        export_bundle(options(keep_going=False), tmp_path / "bundle")
    assert "or leave out what cannot be made with `keep_going`" in refused.value.hint
    assert list(tmp_path.iterdir()) == []


def failing(monkeypatch: pytest.MonkeyPatch, *ids: str) -> None:
    """Let the self-check refuse the plans `ids`, whose files are written by then; without ids all."""

    def failing_maker(draft: Draft, *others: object) -> Maker:
        make = maker(draft, *others)  # type: ignore[arg-type]

        def make_or_fail(request: PlanRequest, steps: PlanSteps) -> Made:
            made = make(request, steps)
            if not ids or request.id in ids:
                raise TbftError(f"{request.id} disagrees", "a hint")
            return made

        return make_or_fail

    maker = plans.plan_maker
    monkeypatch.setattr("tbft_export.export.plan_maker", failing_maker)


def test_none_at_all_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch)
    with pytest.raises(TbftError, match="none of the 4 plans can be made; input-batch-sgd: input-batch-sgd disagrees"):
        export_bundle(options("support.tiny_models:tiny"), tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_the_scores_of_channels_go_to_the_next_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device reads them in the first of the plans between which it chooses."""
    sparse = {"model": "support.tiny_models:tiny_deep", "drift": None, "method": "tinytrain"}
    first, second, *_ = export_bundle(options(**sparse), tmp_path / "all").manifest.plans
    failing(monkeypatch, first.id)
    exported = export_bundle(options(**sparse), tmp_path / "some")
    assert exported.manifest.plans[0].id == second.id
    manifest = open_bundle(tmp_path / "some").manifest
    assert second.fisher in manifest.files
    assert not [name for name in manifest.files if first.id in name]


def test_the_command_names_what_is_left_out(tmp_path: Path, command: Callable[..., Ended]) -> None:
    """On stderr for people, and with the hint as data; it ends well."""
    asked = ("export", "--model", ROUNDS, "--image-size", "8", "--drift", "all", "--keep-going")
    ended = command(*asked, "--out", tmp_path / "bundle")
    assert ended.code == 0, ended
    for plan in LEFT:
        assert f"left out: plan {plan}: operator Round at node '/relu/Round' has no gradient" in ended.err
    ended = command(*asked, "--out", tmp_path / "again", "--json")
    left_out = json.loads(ended.out)["left_out"]
    assert [each["plan"] for each in left_out] == list(LEFT)
    assert all(each.keys() == {"plan", "reason", "hint"} for each in left_out)
