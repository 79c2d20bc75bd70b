"""`make zoo`: try every network, and write docs/results/zoo.md. `--quick`: those that need no package of others."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.player import DEVICE
from benchmarks.prepared import ROOT
from benchmarks.zoo import page, results
from benchmarks.zoo.networks import BY_NAME, NETWORKS, Network
from benchmarks.zoo.trial import try_network

KEPT = ROOT / "docs" / "results" / "zoo"
PAGE = ROOT / "docs" / "results" / "zoo.md"
_MINUTES = 0.6


def main() -> None:
    """Try the networks that are asked for, one after the other, and write the page of all that are known."""
    parser = argparse.ArgumentParser(prog="make zoo", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="own networks alone, which need no other package")
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=sorted(BY_NAME), help="these networks alone")
    parser.add_argument("--out", type=Path, default=KEPT, help="the folder of results")
    asked = parser.parse_args()
    chosen = [each for each in NETWORKS if each.name in asked.only] if asked.only else list(NETWORKS)
    chosen = [each for each in chosen if each.quick] if asked.quick else chosen
    sys.stderr.write(f"{len(chosen)} networks, about {_MINUTES * len(chosen):.0f} minutes on two cores\n")
    for network in chosen:
        _try(network, asked.out)
    if asked.out == KEPT:
        PAGE.write_text(page.written(results.read(KEPT)), encoding="utf-8")
        sys.stderr.write(f"wrote {PAGE.relative_to(ROOT)}\n")


def _try(network: Network, out: Path) -> None:
    if network.source != "own" and importlib.util.find_spec(network.source) is None:
        sys.stderr.write(f"{network.name}: skipped, {network.source} is not installed\n")
        return
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tried = try_network(network, DEVICE, Path(folder))
    results.write(tried, out)
    trained = ", ".join(f"{plan.plan} {plan.of_bound:.2g} of the bound" for plan in tried.plans)
    sys.stderr.write(f"{network.name}: {tried.refused or trained} ({time.perf_counter() - begin:.0f} s)\n")


if __name__ == "__main__":
    main()
