"""What is counted on emulated ARM becomes rows that say what they mean, and networks are those of their papers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.arm.networks import mobilenet_v2, network
from benchmarks.arm.profile import rows
from benchmarks.arm.results import Counted, Engine, add, read_counts
from benchmarks.arm.table import COLUMNS, markdown_tables


def counted(engine: Engine, step: int | None, cached: int | None = None, reason: str | None = None) -> Counted:
    return Counted(
        cpu="cortex-a72",
        network="resnet26",
        image_size=32,
        batch_size=4,
        drift="feature",
        engine=engine,
        batch_norm="block",
        date="2026-01-03",
        step=step,
        cached=cached,
        losses=[],
        reason=reason,
    )


def row_of(*counts: Counted) -> dict[str, str]:
    (line,) = [line for line in markdown_tables(counts).splitlines() if line.startswith("| feature")]
    return dict(zip(COLUMNS, [cell.strip() for cell in line.strip("|").split("|")], strict=True))


def test_ratios_are_those_of_later_epochs() -> None:
    """Against the plain format there is a goal; the best of the others stands beside it."""
    ours = counted("ours", 200_000_000, 100_000_000)
    others = (counted("pytorch", 350_000_000), counted("pytorch-channels-last", 250_000_000))
    row = row_of(ours, *others, counted("ours-direct", 300_000_000))
    assert (row["ours"], row["later epochs"], row["direct form"]) == ("200.0", "100.0", "300.0")
    assert (row["PyTorch ÷ ours"], row["best of others ÷ ours"]) == ("3.50, goal 3.5 ✓", "2.50")
    assert row["MNN 3.6"] == "–"


def test_a_count_that_is_missing_says_why() -> None:
    text = markdown_tables([counted("ours", 200_000_000), counted("mnn", None, reason="it fell over")])
    assert "feature, mnn: it fell over" in text
    assert row_of(counted("ours", 200_000_000))["PyTorch ÷ ours"] == "–"


def test_a_new_count_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    for step in (1, 2):
        add(tmp_path / "arm.json", counted("mnn", step))
    add(tmp_path / "arm.json", counted("ours", 3))
    assert [(each.engine, each.step) for each in read_counts(tmp_path / "arm.json")] == [("mnn", 2), ("ours", 3)]


def test_what_tracing_takes_is_none_of_a_kernel() -> None:
    kernels = [("Mul", "a", "1", 1_100_000), ("Mul", "b", "2", 600_000), ("Add", "b", "3", 100_000)]
    assert rows(kernels, 0, 100_000)[0] == ["Mul", "1.50", "100.0%", "2"]
    assert rows(kernels, 1, 100_000)[-1] == ["all", "1.50", "100 %", "3"]


@pytest.mark.parametrize(
    ("name", "count"), [("resnet18", 11_689_512 - 513 * 990), ("mobilenet_v2", 3_504_872 - 1281 * 990)]
)
def test_networks_have_the_parameters_of_their_papers(name: str, count: int) -> None:
    """Those that torchvision states for 1,000 classes, less 990 of them."""
    assert sum(parameter.numel() for parameter in network(name, 224).parameters()) == count


def test_a_network_is_the_same_each_time() -> None:
    """Bundles of several drifts are compared with a network that another process makes."""
    first, second = (mobilenet_v2().state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
