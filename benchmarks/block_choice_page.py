"""`python -m benchmarks.block_choice_page`: write docs/results/block-choice.md from docs/results/block-choice.json."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.block_choice_results import TOLERANCE_POINTS, BlockChoices, Choice
from benchmarks.kept import read_kept
from benchmarks.prepared import ROOT
from tbft_artifacts.atomic import atomic_file
from tbft_edge.tables.table import Table, markdown

KEPT = ROOT / "docs" / "results" / "block-choice.json"
PAGE = ROOT / "docs" / "results" / "block-choice.md"

_INTRO = """# Does the device choose the right block?

In each case every block was trained by the bundle's defaults on 10 % of the images (ResNet-26; the released networks of
ten and, where the name says source5 or subclasses, of five classes; CIFAR-10's test photos after JPEG; seed 0), and
tested on images that nothing else used. Then `tbft-edge diagnose` saw at most 128 of the training images, and named a
block. It is right if that block is the best one, or within {tolerance:g} point of it.

```
python -m benchmarks.block_choice --data CIFAR10 --weights RESNET26 --source5-weights RESNET26_5 --out results
```
"""


def main() -> None:
    """Write the page."""
    choices = read_kept(KEPT, BlockChoices, "benchmarks.block_choice")
    with atomic_file(PAGE) as temporary:
        temporary.write_text(page(choices), encoding="utf-8")


def page(found: BlockChoices) -> str:
    """The whole page."""
    return "\n".join(
        [_INTRO.format(tolerance=TOLERANCE_POINTS), *_summary(found.choices), markdown(_table(found.choices))]
    )


def _summary(choices: tuple[Choice, ...]) -> Iterator[str]:
    wrong = [choice for choice in choices if not choice.is_right]
    lost = [choice.lost_points for choice in choices]
    shares = [choice.seconds / choice.saved_seconds for choice in choices]
    images = {choice.test_images for choice in choices}
    right = len(choices) - len(wrong)
    yield (
        f"- **Right in {right} of {len(choices)} cases** ({right / len(choices):.0%}); the block it names is "
        f"{statistics.fmean(lost):.1f} points below the best one on average, {max(lost):.1f} at most.\n"
        f"- Always naming one block would be right in {_always(choices)}.\n"
        f"- A decision took {statistics.median(c.seconds for c in choices):.1f} s (median), "
        f"{statistics.median(shares):.1%} of training the other blocks to find out (at most {max(shares):.1%}).\n"
        f"- Tested on {min(images):,} to {max(images):,} images, so differences of 1 point are within chance.\n"
    )
    yield "Where it is wrong:\n" if wrong else "It is never wrong here.\n"
    for choice in wrong:
        lost_here = f"{choice.lost_points:.1f} points below {choice.best}"
        yield f"- {choice.case}: named {choice.chosen}, {lost_here}. {choice.reason}"
    yield ""


def _always(choices: tuple[Choice, ...]) -> str:
    """How often each block would be right if it were named in every case."""
    right = {
        block: sum(choice.is_right_with(block) for choice in choices) / len(choices) for block in choices[0].accuracy
    }
    return ", ".join(f"{share:.0%} ({block})" for block, share in right.items())


def _table(choices: tuple[Choice, ...]) -> Table:
    blocks = list(choices[0].accuracy)
    rows = [
        [
            choice.case,
            *(f"{100 * choice.accuracy[block]:.1f}" for block in blocks),
            choice.best,
            choice.chosen,
            "right" if choice.is_right else f"{choice.lost_points:.1f} points lost",
        ]
        for choice in choices
    ]
    return Table("Accuracy in per cent", ["case", *blocks, "best", "chosen", ""], rows, numbers=False)


if __name__ == "__main__":
    main()
