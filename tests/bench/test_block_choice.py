"""What the page of block choices says is counted from the choices, and failures are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.block_choice_page import page
from benchmarks.block_choice_results import BlockChoices, Choice
from benchmarks.kept import read_kept, write_kept
from tbft_edge.reproduce.blocks import PaperBlock


def choice(case: str, chosen: PaperBlock, *accuracies: float) -> Choice:
    blocks: tuple[PaperBlock, ...] = ("block1", "block2", "block3", "fc")
    return Choice(
        case=case,
        seed=0,
        accuracy=dict(zip(blocks, accuracies, strict=True)),
        test_images=1500,
        chosen=chosen,
        reason=f"why {chosen}",
        seconds=1.0,
        saved_seconds=50.0,
    )


@pytest.mark.parametrize(
    ("chosen", "lost", "right"),
    [("block1", 0.0, True), ("block2", 1.0, True), ("block3", 1.1, False), ("fc", 20.0, False)],
)
def test_a_block_is_right_within_one_point_of_the_best(chosen: PaperBlock, lost: float, right: bool) -> None:
    """One point exactly is within, whatever floats make of it."""
    found = choice("fog", chosen, 0.71, 0.70, 0.699, 0.51)
    assert found.best == "block1"
    assert found.lost_points == pytest.approx(lost)
    assert found.is_right is right


def test_the_page_counts_and_names_what_is_wrong() -> None:
    choices = [choice("fog", "block1", 0.7, 0.6, 0.5, 0.4), choice("flip", "block1", 0.3, 0.4, 0.6, 0.8)]
    choices += [choice("snow", "block1", 0.7, 0.6, 0.5, 0.4), choice("haze", "block2", 0.7, 0.695, 0.5, 0.4)]
    text = page(BlockChoices(tuple(choices)))
    assert "Right in 3 of 4 cases** (75%)" in text
    assert "12.6 points below the best one on average, 50.0 at most" in text
    assert "75% (block1), 25% (block2), 0% (block3), 25% (fc)" in text
    assert "- flip: named block1, 50.0 points below fc. why block1" in text
    assert "2.0% of training the other blocks" in text
    assert text.count("| right |") == 3


def test_choices_are_read_as_they_were_written(tmp_path: Path) -> None:
    choices = BlockChoices((choice("fog", "block1", 0.7, 0.6, 0.5, 0.4),))
    write_kept(tmp_path / "choices.json", choices)
    assert read_kept(tmp_path / "choices.json", BlockChoices, "benchmarks.block_choice") == choices
