"""Tables of rounds, and the page that they stand on: `python -m benchmarks.fleet.rounds_page`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.kept import read_kept
from tbft_artifacts.atomic import atomic_file
from tbft_edge.figures import percent, size

KEPT = Path("docs/results/rounds.json")
PAGE = Path("docs/results/rounds.md")


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A case: accuracies (0 to 1) before, of each site alone, and after each round of what each site then has."""

    case: str
    plan: str
    images: int
    classes: int
    epochs: int
    norms: str
    lr: float | None
    before: float
    alone: tuple[float, ...]
    after: tuple[tuple[float, ...], ...]
    round_bytes: int
    model_bytes: int
    delta_bytes: int
    seconds: float


class Results(msgspec.Struct, frozen=True):
    """Every case that was measured."""

    figures: tuple[Figures, ...]


def tables(results: Results) -> Iterator[str]:
    """Markdown: accuracy, and what is carried."""
    yield "| drift | plan | statistics | learning rate | before | each site alone | merged, after each round | s |"
    yield "|---|---|---|---|---|---|---|---:|"
    for each in results.figures:
        rounds = "; ".join(", ".join(map(_points, after)) for after in each.after)
        lr = "the plan's" if each.lr is None else f"{each.lr:g}"
        alone = ", ".join(map(_points, each.alone)) or "–"
        yield (
            f"| {each.case} | `{each.plan}` | {each.norms} | {lr} | {percent(each.before)} | {alone} | {rounds} | "
            f"{each.seconds:.0f} |"
        )
    yield ""
    yield "| plan | statistics | a device and round | the whole model | a delta bundle |"
    yield "|---|---|---:|---:|---:|"
    for plan, norms in dict.fromkeys((each.plan, each.norms) for each in results.figures):
        one = next(each for each in results.figures if (each.plan, each.norms) == (plan, norms))
        yield f"| `{plan}` | {norms} | {size(one.round_bytes)} | {size(one.model_bytes)} | {size(one.delta_bytes)} |"


def page(results: Results) -> str:
    """The whole page."""
    lines = [
        "# Rounds of three devices",
        "",
        "Made by `python -m benchmarks.fleet.rounds` of `rounds.json` beside it: three sites of 60 images each, which",
        "see 4 of 10 digits each (feature: 2 of 5 classes), merged by the mean. Accuracies in per cent on images that",
        "no site has; with local statistics one for each site. Alone a site trains as many epochs as in all rounds.",
        "Seconds are of one busy x86-64 core. [What it means](../fleet-merge.md).",
        "",
        *tables(results),
    ]
    return "\n".join(lines) + "\n"


def _points(accuracy: float) -> str:
    return f"{100 * accuracy:.1f}"


def main() -> None:
    """Write the page."""
    with atomic_file(PAGE) as temporary:
        temporary.write_text(page(read_kept(KEPT, Results, "benchmarks.fleet.rounds")), encoding="utf-8")


if __name__ == "__main__":
    main()
