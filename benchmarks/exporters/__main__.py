"""`make exporters`: take files of exporters through every command, and write docs/results/exporters.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.exporters import page, results
from benchmarks.exporters.files import BY_NAME, FILES, File
from benchmarks.exporters.trial import try_file
from benchmarks.player import DEVICE
from benchmarks.prepared import ROOT

KEPT = ROOT / "docs" / "results" / "exporters"
PAGE = ROOT / "docs" / "results" / "exporters.md"
_MINUTES = 0.6


def main() -> None:
    """Try the files that are asked for, one after the other, and write the page of all that are known."""
    parser = argparse.ArgumentParser(prog="make exporters", description=__doc__)
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=sorted(BY_NAME), help="these files alone")
    parser.add_argument("--out", type=Path, default=KEPT, help="the folder of results")
    asked = parser.parse_args()
    chosen = [each for each in FILES if each.name in asked.only] if asked.only else list(FILES)
    sys.stderr.write(f"{len(chosen)} files, about {_MINUTES * len(chosen):.0f} minutes on two cores\n")
    with tempfile.TemporaryDirectory() as folder:
        _try(chosen, Path(folder), asked.out)
    if asked.out == KEPT:
        PAGE.write_text(page.written(results.read(KEPT)), encoding="utf-8")
        sys.stderr.write(f"wrote {PAGE.relative_to(ROOT)}\n")


def _try(files: Sequence[File], folder: Path, out: Path) -> None:
    known: dict[str, Path] = {}
    for file in files:
        begin = time.perf_counter()
        tried = try_file(file, DEVICE, folder / file.name, known)
        results.write(tried, out)
        trained = ", ".join(f"{each.drift} {each.loss_before:.2f} -> {each.loss_after:.2f}" for each in tried.plans)
        said = tried.refused or trained or f"read as {tried.as_file}"
        sys.stderr.write(f"{file.name}: {said} ({time.perf_counter() - begin:.0f} s)\n")


if __name__ == "__main__":
    main()
