"""`make same BASE=commit`: whether a user gets the same from two commits, in bundles, runs, JSON and public names."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from benchmarks.prepared import ROOT
from benchmarks.same_results import inputs, table
from benchmarks.same_results.findings import Findings
from benchmarks.same_results.play import Compared, Sides, play
from benchmarks.same_results.side import Side, SideError, short_hash
from benchmarks.same_results.step import Group
from tbft_edge.console import say
from tbft_edge.tables.table import Table, show

FOLDER = ROOT / "build" / "same"
GROUPS: tuple[Group, ...] = get_args(Group)


def main() -> int:
    """0: the same; 1: something is different; 2: it could not be found out."""
    # Also where a shell started this with Ctrl-C ignored: a training is interrupted by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = _parser().parse_args()
    try:
        sides = check_out(options.base, options.other, FOLDER.resolve())
        everything = []
        for compared in play(sides, options.only or GROUPS):
            say(f"  {table.verdict(compared.findings)}")
            everything.append(compared)
    except SideError as error:
        hint = "'git log --oneline' lists commits, and 'make same' makes the environments"
        sys.stderr.write(f"error: {error}\n\nhint: {hint}\n")
        return 2
    _print(everything, sides)
    return 1 if any(compared.findings.differences for compared in everything) else 0


def check_out(base: str, other: str, folder: Path) -> Sides:
    """Both trees and their inputs in a new `folder`; what an earlier comparison left there goes."""
    commits = {"base": short_hash(base), "other": short_hash(other)}
    shutil.rmtree(folder, ignore_errors=True)
    sides = Sides(*(Side(commit, folder / "trees" / name, folder / name) for name, commit in commits.items()))
    sides.each(Side.check_out)
    sides.each(Side.check)
    inputs.write(folder / "inputs")
    return sides


def _print(everything: Sequence[Compared], sides: Sides) -> None:
    base, other = sides.base.commit, sides.other.commit
    whole = Findings()
    for compared in everything:
        whole.add(compared.findings)
    rows = [table.row(compared) for compared in everything]
    show(Table(f"{base} (base) and {other} (other)", ["", "compared", "measured", ""], rows, numbers=False))
    columns = ["path in the JSON", "what it is", "values"]
    rows = table.measured_rows(whole)
    show(Table("Set aside, as it is measured: only its type is compared", columns, rows, numbers=False))
    sys.stdout.write("\n".join(["", *table.details(everything), table.summary(everything, base, other)]) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.same_results",
        description=f"{__doc__} Needs the environments .venv/host and .venv/device. Takes about 8 minutes on two idle "
        "cores: 5 to export, train and ask, 2 for 'reproduce', 1 for calls that are refused. Committed files are "
        "compared, those of OTHER whatever the working tree holds. What was made stays in build/same.",
    )
    parser.add_argument("base", help="the commit that is right")
    parser.add_argument("other", nargs="?", default="HEAD", help="the commit that is asked about; by default HEAD")
    parser.add_argument(
        "--only", action="append", choices=GROUPS, metavar="PART", help=f"this part: {', '.join(GROUPS)}. Repeatable"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
