"""`python -m torture`: kills, faults and power cuts, and whether any left a trace."""

from __future__ import annotations

import argparse
import collections
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from support.bundles import COMPILED
from support.forked_command import preload, remove
from support.on_cores import each
from torture import power, shim
from torture.targets import TARGETS, make_desk
from torture.trials import Bench, Told, planned

SECONDS_PER_TRIAL = 0.45
SECONDS_PER_CUT = 1.5
_LIBRARY = "TBFT_EDGE_TORTURE_SHIM"


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if every run ended as if nothing had happened, and else 1."""
    asked = _asked(arguments)
    if not COMPILED.is_dir():
        _say("the bundles to start from are missing: run 'make build/test-bundles/.made'")
        return 2
    if reason := shim.why_not():
        _say(f"nothing is tortured here: {reason}")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scratch = Path(tempfile.mkdtemp(prefix="tbft-edge-torture-"))
    try:
        library = os.environ.get(_LIBRARY)
        if library is None:
            return _again_with(shim.build(scratch), arguments)
        os.environ.pop("LD_PRELOAD", None)
        return _torture(asked, scratch, shim.Shim(Path(library)))
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    finally:
        remove(scratch)


def _again_with(library: Path, arguments: Sequence[str] | None) -> int:
    """The same in a process that has the library preloaded."""
    command = [sys.executable, "-m", "torture", *(sys.argv[1:] if arguments is None else arguments)]
    environment = os.environ | {"LD_PRELOAD": str(library), _LIBRARY: str(library)}
    process = os.spawnve(os.P_NOWAIT, sys.executable, command, environment)
    # A terminal tells both of Ctrl-C; that one has to clean up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: os.kill(process, signal.SIGTERM))
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _torture(asked: argparse.Namespace, scratch: Path, library: shim.Shim) -> int:
    preload()
    bench = Bench(make_desk(scratch / "desk"), scratch / "rooms", library, {})
    bench = replace(bench, references={name: bench.undisturbed(name) for name in asked.only or TARGETS})
    trials = planned(bench.references, asked.kills, asked.faults, asked.seed)
    if asked.trial:
        trials = [trial for trial in trials if trial.name == asked.trial]
    reason = power.why_not(scratch) if asked.cuts else "none were asked for"
    cuts = 0 if reason or asked.trial or asked.only else asked.cuts
    minutes = (len(trials) * SECONDS_PER_TRIAL / asked.cores + cuts * SECONDS_PER_CUT) / 60
    _say(f"{len(trials)} kills and faults, {cuts} power cuts, seed {asked.seed}: about {minutes:.0f} minutes")
    began = time.monotonic()
    told = _told(each(bench.try_one, trials, asked.cores, Told), len(trials))
    if cuts:
        told += _told(power.cuts(bench, cuts, asked.seed), cuts)
    elif reason:
        _say(f"no power cuts: {reason}")
    return _sum_up(told, asked, time.monotonic() - began)


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="decides the moments; default: 0")
    parser.add_argument("--kills", type=int, default=500, help="how many; default: 500")
    parser.add_argument("--faults", type=int, default=300, help="how many; default: 300")
    parser.add_argument("--cuts", type=int, default=16, help="how many power cuts; default: 16")
    parser.add_argument("--only", action="append", choices=sorted(TARGETS), help="a command; may be repeated")
    parser.add_argument("--trial", help="this one alone, as it was named")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="default: all")
    return parser.parse_args(arguments)


def _told(results: Iterable[Told], total: int) -> list[Told]:
    told: list[Told] = []
    for result in results:
        told.append(result)
        for problem in result.problems:
            _say(f"{result.name}: {problem}")
        if len(told) % 100 == 0:
            _say(f"{len(told)} of {total}")
    return told


def _sum_up(told: Sequence[Told], asked: argparse.Namespace, seconds: float) -> int:
    failed = [each for each in told if each.problems]
    kinds = collections.Counter(each.kind for each in told)
    struck = collections.Counter(each.kind for each in told if each.struck)
    bad = collections.Counter(each.kind for each in failed)
    for kind, count in sorted(kinds.items()):
        _say(f"{kind:24}{count:5}, of which {struck[kind]:4} struck; {bad[kind]} failed")
    _say(f"{len(told)} interruptions in {seconds:.0f} s, seed {asked.seed}; {len(failed)} failed")
    if failed:
        _say(f"one again: make torture TORTURE_ARGS='--seed {asked.seed} --trial \"{failed[0].name}\"'")
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
