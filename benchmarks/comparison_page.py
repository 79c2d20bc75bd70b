"""`make comparison-page`: write docs/results/comparison.md and its plots from the results of `compare` beside it.

`python -m benchmarks.comparison_page COMPARISON.json…` takes these files instead.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.kept import clear_errors
from benchmarks.prepared import ROOT
from benchmarks.svg import side_by_side
from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_edge.compare.markdown import Shown, comparison_markdown
from tbft_edge.compare.results import Results, read_results
from tbft_edge.compare.tradeoffs import tradeoffs

KEPT = ROOT / "docs" / "results" / "comparison"
PAGE = ROOT / "docs" / "results" / "comparison.md"


def main(arguments: Sequence[str]) -> None:
    """Read the files, in their order, and write the page."""
    with clear_errors():
        write(list(map(Path, arguments)) or sorted(KEPT.glob("*.json")), PAGE)


def write(files: Sequence[Path], page: Path) -> None:
    """The page, and a plot per file in the folder that is named like the page.

    Raises TbftError if there is no file, if one holds no comparison, or if two have the same name.
    """
    if not files:
        raise TbftError(f"there is no comparison in '{KEPT}'", "run 'tbft-edge compare', and put comparison.json there")
    if len({file.stem for file in files}) < len(files):
        raise TbftError("two of the files have the same name", "their plots are named after them: rename one")
    plots = page.with_suffix("")
    shown = [Shown(read_results(file), f"{plots.name}/{file.stem}.svg") for file in files]
    plots.mkdir(parents=True, exist_ok=True)
    for each in shown:
        _write(page.parent / each.plots, drawn(each.results))
    _write(page, comparison_markdown(shown))


def drawn(results: Results) -> str:
    """All plots that there are, side by side."""
    return side_by_side([(plot.title, plot.picture) for plot in tradeoffs(results) if plot.picture is not None])


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
