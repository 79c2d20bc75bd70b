"""Run each step in both trees, beside each other, and compare what it gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.same_results.bundles import EXPORTS
from benchmarks.same_results.commands import COMMANDS
from benchmarks.same_results.files import compare_bytes, compare_run
from benchmarks.same_results.findings import Findings
from benchmarks.same_results.help_options import compare_help, entries
from benchmarks.same_results.json_values import compare_json
from benchmarks.same_results.public_names import PACKAGES, compare_names, describe
from benchmarks.same_results.refusals import CODES, REFUSALS, compare_refusals
from benchmarks.same_results.runs import TRAININGS
from benchmarks.same_results.side import Ended, Side
from benchmarks.same_results.step import Group, Step, chosen
from tbft_edge.console import say

STEPS = (*EXPORTS, *TRAININGS, *COMMANDS, *REFUSALS)
INTERRUPTED_EXIT_CODE = 130
_T = TypeVar("_T")


@dataclass(frozen=True)
class Compared:
    """One thing that was compared, in words, and what was found."""

    what: str
    findings: Findings


@dataclass(frozen=True)
class Sides:
    """Both trees. What is done in one is done in the other at the same time."""

    base: Side
    other: Side

    def each(self, do: Callable[..., _T], *given: object) -> tuple[_T, _T]:
        """What `do(side, *given)` gives for the base and for the other one."""
        with ThreadPoolExecutor(2) as pool:
            base, other = pool.map(lambda side: do(side, *given), (self.base, self.other))
        return base, other


def play(sides: Sides, groups: Iterable[Group]) -> Iterator[Compared]:
    """Compare all that `groups` hold, one thing after the other."""
    groups = tuple(groups)
    if "names" in groups:
        for package in PACKAGES:
            say(f"public names of {package}")
            described = sides.each(describe, package)
            yield Compared(f"public names of {package}", compare_names(package, *described))
    if "options" in groups:
        yield from _help_texts(sides)
    steps = chosen(STEPS, groups)
    for number, step in enumerate(steps, start=1):
        say(f"[{number}/{len(steps)}] {step.name}")
        base, other = sides.each(_run, step)
        compare = compare_refusals(step.name, base, other) if step.group == "refusals" else None
        yield Compared(step.name, compare or _compare(step, sides, base, other))


def _help_texts(sides: Sides) -> Iterator[Compared]:
    """That of the whole, and of every command that the base has."""
    say("help texts")
    whole = sides.each(_help_text)
    findings = compare_help("tbft-edge", *whole)
    for command in (name for name in entries(whole[0]) if not name.startswith("-")):
        texts = sides.each(_help_text, command)
        findings.add(compare_help(f"tbft-edge {command}", *texts))
    yield Compared("help texts", findings)


def _help_text(side: Side, *command: str) -> str:
    return side.edge("device", *command, "--help").out


def _run(side: Side, step: Step) -> Ended:
    run = side.edge_interrupted if step.interrupted else side.edge
    return run(step.environment, *step.command)


def _compare_printed(command: str, base: str, other: str) -> Findings:
    try:
        return compare_json(command, json.loads(base), json.loads(other))
    except json.JSONDecodeError:
        findings = Findings()
        findings.differ("stdout, JSON is wanted", base, other)
        return findings


def _compare(step: Step, sides: Sides, base: Ended, other: Ended) -> Findings:
    """What a command that has to succeed printed and made."""
    findings = Findings()
    wanted = INTERRUPTED_EXIT_CODE if step.interrupted else 0
    findings.compared[CODES] += 1
    if (base.code, other.code) != (wanted, wanted):
        codes = (f"{ended.code} {ended.err}" for ended in (base, other))
        findings.differ(f"exit code, {wanted} is wanted", *codes)
        return findings
    if not step.interrupted:
        findings.add(_compare_printed(step.arguments[0], base.out, other.out))
    made = f"{step.out}/{step.kept}" if step.kept else str(step.out)
    if step.made == "bytes":
        findings.add(compare_bytes(sides.base.work / made, sides.other.work / made))
    elif step.made == "run":
        findings.add(compare_run(made, sides.base.work, sides.other.work))
    return findings
