"""`python -m benchmarks.reproduction_page RESULTS.json…`: write docs/results/reproduction.md from those results.

Without arguments it takes every file in docs/results/reproduction.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.kept import clear_errors
from benchmarks.prepared import ROOT
from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.markdown import reproduction_page
from tbft_edge.reproduce.results import read_results

KEPT = ROOT / "docs" / "results" / "reproduction"
PAGE = ROOT / "docs" / "results" / "reproduction.md"


def main(arguments: Sequence[str]) -> None:
    """Read the files, in their order, and write the page."""
    with clear_errors():
        write(list(map(Path, arguments)) or sorted(KEPT.glob("*.json")), PAGE)


def write(files: Sequence[Path], page: Path) -> None:
    """Raises TbftError if there is no file, or if one holds no results."""
    if not files:
        raise TbftError(f"there are no results in '{KEPT}'", "run 'tbft-edge reproduce', and name its RESULTS.json")
    text = reproduction_page([read_results(file) for file in files])
    with atomic_file(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
