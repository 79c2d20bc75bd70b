"""The page of the zoo says of each network what was tried, and counts no plan that ended beyond the bound."""

from __future__ import annotations

from pathlib import Path

from benchmarks.zoo.agreement import Agreement
from benchmarks.zoo.page import written
from benchmarks.zoo.results import PlanTried, Tried, read, write


def plan(drift: str, of_bound: float) -> PlanTried:
    return PlanTried(f"{drift}-frozen-sgd", drift, 0.5, 12.3, 1e-4, 1e-5, of_bound)


WHOLE = Tried(
    "timm_some_net", (3, 64, 64), 1_500_000, 20.0, 18.0, 600_000_000, 7_000_000,
    plans=(plan("output", 0.1), plan("feature", 0.2), plan("full", 0.3)),
)  # fmt: skip
IN_PART = Tried(
    "own_net", (1, 49, 10), 23_000, 5.0, 4.0, 400_000_000, 90_000,
    plans=(plan("output", 0.1), plan("full", 1.5)), left_out={"feature-block-sgd": "no stages"},
)  # fmt: skip
REFUSED = Tried("other_net", (3, 32, 32), 10, refused="operator Odd has no gradient here")


def test_what_is_counted() -> None:
    """A plan beyond the bound was trained, and does not count."""
    assert "Of 3 networks 2 train their head, 1 that and their last stage, 1 everything." in written(
        [WHOLE, IN_PART, REFUSED]
    )


def test_rows_and_reasons() -> None:
    text = written([WHOLE, IN_PART, REFUSED])
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert "| 3×64×64 | 1.50 M | 18 s | 0.6 GB | 7.0 MB | 12.3 ms, 0.1 of the bound |" in rows["timm some_net"]
    assert "no | **outside**: 12.3 ms, 1.5 of the bound |" in rows["own net"]
    assert "- other_net, everything: operator Odd has no gradient here" in text
    assert "- own_net, feature-block-sgd: no stages" in text


def test_what_was_not_tried_is_named() -> None:
    assert "## Not tried yet" in written([WHOLE])
    assert "timm_resnet18d, " in written([WHOLE])


def test_the_bound() -> None:
    """Four times what PyTorch's float32 is off, or what one activation on the other side of a kink makes."""
    assert Agreement(device=0.04, pytorch=0.02).of_bound == 0.5
    assert Agreement(device=0.005, pytorch=1e-7).of_bound == 1.0


def test_results_stay_as_they_are(tmp_path: Path) -> None:
    for each in (WHOLE, IN_PART):
        write(each, tmp_path)
    assert read(tmp_path) == [IN_PART, WHOLE]
