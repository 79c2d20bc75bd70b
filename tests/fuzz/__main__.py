"""`python -m fuzz`: so many cases of every surface, and what is wrong with any."""

from __future__ import annotations

import argparse
import collections
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fuzz import suite
from fuzz.desk import is_possible, make_desk
from fuzz.surfaces import SURFACES
from support.forked_command import preload, remove
from support.on_cores import each

SECONDS_PER_CASE = 0.22
KEPT = Path("build/fuzz")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if nothing is wrong, and else 1."""
    asked = _asked(arguments)
    if not is_possible():
        _say("the bundles to start from are missing: run 'make build/test-bundles/.made'")
        return 2
    ids = [asked.case] if asked.case else suite.chosen(asked.cases, asked.only)
    minutes = len(ids) * SECONDS_PER_CASE / asked.cores / 60
    _say(f"{len(ids)} cases on {asked.cores} cores with seed {asked.seed}: about {minutes + 0.2:.1f} minutes")
    shutil.rmtree(asked.kept, ignore_errors=True)
    began = time.monotonic()
    preload()
    # Not a TemporaryDirectory, which children would remove as they end.
    scratch = Path(tempfile.mkdtemp(prefix="tbft-edge-fuzz-", dir=_place()))
    try:
        tried = suite.Suite(make_desk(scratch / "desk"), scratch / "rooms", asked.kept.resolve(), asked.seed)
        found = list(_told(each(tried.try_case, ids, asked.cores, suite.Finding), len(ids)))
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    finally:
        remove(scratch)
    return _sum_up(found, asked, time.monotonic() - began)


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="what all cases are made from; default: 0")
    parser.add_argument("--cases", type=int, default=5000, help="how many; default: 5000")
    parser.add_argument("--only", action="append", choices=sorted(SURFACES), help="a surface; may be repeated")
    parser.add_argument("--case", help="this one alone, such as manifests-000123")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="default: all")
    parser.add_argument("--kept", type=Path, default=KEPT, help=f"where cases that failed are kept; default: {KEPT}")
    return parser.parse_args(arguments)


def _place() -> str | None:
    """Memory where there is some, since every command flushes what it writes."""
    memory = Path("/dev/shm")
    is_there = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30
    return str(memory) if is_there else None


def _told(findings: Iterable[suite.Finding], total: int) -> Iterator[suite.Finding]:
    for number, finding in enumerate(findings, 1):
        if finding.problems:
            _say(f"{finding.case}: {finding.problems[0]}\n    {finding.what[:160]}")
        if number % 500 == 0:
            _say(f"{number} of {total}")
        yield finding


def _sum_up(found: Sequence[suite.Finding], asked: argparse.Namespace, seconds: float) -> int:
    failed = [finding for finding in found if finding.problems]
    by_surface = collections.Counter(finding.case.rpartition("-")[0] for finding in found)
    failed_by_surface = collections.Counter(finding.case.rpartition("-")[0] for finding in failed)
    codes = collections.Counter(finding.code for finding in found)
    for name, count in by_surface.items():
        _say(f"{name:16}{count:6} cases{failed_by_surface[name]:6} failed")
    ends = ", ".join(f"{count} with {code}" for code, count in sorted(codes.items()))
    _say(f"{len(found)} cases in {seconds:.0f} s, seed {asked.seed}; ended {ends}; {len(failed)} failed")
    if failed:
        again = f"FUZZ_ARGS='--seed {asked.seed} --case {failed[0].case}'"
        _say(f"input and command of each that failed lie in {asked.kept}; one again: make fuzz {again}")
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
