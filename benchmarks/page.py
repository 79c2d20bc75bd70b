"""`make bench-page`: write docs/results/benchmarks.md, its plots and the README's table from what was measured."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from benchmarks.plots import plots
from benchmarks.prepared import ROOT
from benchmarks.report import page, readme_section
from benchmarks.results import read
from benchmarks.run import RESULTS
from tbft_artifacts.atomic import atomic_file

BEGIN, END = "<!-- make bench-page: begin -->", "<!-- make bench-page: end -->"


def main() -> None:
    """Write everything."""
    try:
        results = read(RESULTS)
    except (OSError, msgspec.DecodeError) as error:
        sys.exit(f"error: no results in '{RESULTS}': {error}\n\nhint: make bench")
    folder = ROOT / "docs" / "results" / "benchmarks"
    folder.mkdir(exist_ok=True)
    drawn = plots(results)
    for old in folder.glob("*.svg"):
        if old.name not in drawn:
            old.unlink()
    for name, text in drawn.items():
        _write(folder / name, text)
    _write(ROOT / "docs" / "results" / "benchmarks.md", page(results, drawn))
    readme = ROOT / "README.md"
    _write(readme, between(readme.read_text(encoding="utf-8"), readme_section(results)))


def between(text: str, section: str) -> str:
    """`text` with what stands between the two marks replaced. Raises ValueError if a mark is missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"'{BEGIN}' or '{END}' is missing")
    return f"{before}{BEGIN}\n{section}\n{END}{after}"


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
