"""What people see of a bundle whose channels the device chooses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from support.bundles import SPARSE, compiled
from support.commands import Ended, refused
from tbft_artifacts.bundle import open_bundle
from tbft_runtime import read_report
from tbft_runtime.doctor.needs import needs


def training(squares: Path, out: Path, *options: str) -> list[str | Path]:
    budgets = ("--update-budget", "6kB", "--compute-budget", "100%")
    asked = ("--epochs", "1", "--threads", "1", *budgets, *options)
    return ["train", compiled(SPARSE), "--data", squares, "--out", out, *asked]


def test_train_shows_what_was_chosen(command: Callable[..., Ended], squares: Path, tmp_path: Path) -> None:
    """A row for each layer on stdout, a line on stderr, the same on the run's page and by `report`."""
    ended = command(*training(squares, tmp_path / "run"))
    assert ended.code == 0, ended
    selection = read_report(tmp_path / "run").result.selection
    assert selection is not None
    assert f"plan {selection.plan}, by {selection.samples} images" in ended.err
    rows = [line.split() for line in ended.out.splitlines()]
    for layer in selection.layers:
        name = layer.weight.removesuffix(".weight")
        assert [name, str(len(layer.channels)), "of", str(layer.size)] in [row[:4] for row in rows]
    assert "Why these channels" in (tmp_path / "run" / "report.html").read_text()
    assert "Channels chosen by" in command("report", tmp_path / "run").out


def test_json_has_it(command: Callable[..., Ended], squares: Path, tmp_path: Path) -> None:
    ended = command(*training(squares, tmp_path / "run", "--json"))
    assert ended.code == 0, ended
    selection = read_report(tmp_path / "run").result.selection
    assert json.loads(ended.out)["selection"] == json.loads(msgspec.json.encode(selection))


@pytest.mark.parametrize("text", ["0%", "101%", "2", "-5%", "much", ""])
def test_a_part_of_a_whole_is_one(text: str, command: Callable[..., Ended], squares: Path, tmp_path: Path) -> None:
    """Above 0 and up to 1, as a fraction or in per cent."""
    ended = command(*training(squares, tmp_path / "run", f"--compute-budget={text}"))
    assert "--compute-budget" in refused(ended).message
    assert not (tmp_path / "run").exists()


def test_inspect_lists_the_layers(command: Callable[..., Ended]) -> None:
    """With the plans that they are chosen in."""
    ended = command("inspect", compiled(SPARSE))
    assert ended.code == 0, ended
    plans = open_bundle(compiled(SPARSE)).manifest.sparse_plans
    rows = [line.split() for line in ended.out.splitlines()]
    assert plans[0].sparse is not None
    for layer in plans[0].sparse.layers:
        assert [layer.weight.removesuffix(".weight"), str(layer.shape[0]), str(layer.row_values)] in [
            row[:3] for row in rows
        ]


def test_doctor_counts_what_the_default_budget_lets_train() -> None:
    """1 MB for three numbers per trained value, with one slot of optimizer state: that is more than the head."""
    bundle = open_bundle(compiled(SPARSE))
    plan = bundle.manifest.sparse_plans[0]
    head_alone = msgspec.structs.replace(plan, sparse=None)
    more = 1_000_000 // (2 + len(plan.optimizer.slots)) - plan.cost.parameter_bytes
    assert needs(bundle, plan).disk - needs(bundle, head_alone).disk == 2 * 5 * more
