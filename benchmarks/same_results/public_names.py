"""The names that Python users import: none may go or change, and what grows is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.same_results.findings import Findings
from benchmarks.same_results.side import Environment, Side, SideError

PACKAGES: dict[str, Environment] = {"tbft_runtime": "device", "tbft_export": "host"}
NAMES, PARAMETERS, MEMBERS = "public names", "parameters", "fields and members"
Described = Mapping[str, Mapping[str, Any]]


def describe(side: Side, package: str) -> Described:
    """What `package` of a side offers, as `probe` tells it. Raises SideError if a name cannot be imported."""
    ended = side.python(PACKAGES[package], str(Path(__file__).with_name("probe.py")), package)
    if ended.code:
        raise SideError(f"the public names of {package} of {side.commit} cannot be imported: {ended.err}")
    described: Described = json.loads(ended.out)
    return described


def compare_names(package: str, base: Described, other: Described) -> Findings:
    """All names of `base` are still there, with their parameters, fields and members."""
    findings = Findings()
    _only_grows(package, list(base), list(other), NAMES, findings)
    for name in base:
        if name in other:
            _compare_name(f"{package}.{name}", base[name], other[name], findings)
    return findings


def _compare_name(name: str, base: Mapping[str, Any], other: Mapping[str, Any], findings: Findings) -> None:
    for kind in ("fields", "members"):
        _only_grows(f"{name}, {kind}", base[kind], other[kind], MEMBERS, findings)
    by_place = [[each for each in side["parameters"] if not each["keyword_only"]] for side in (base, other)]
    # A caller counts the places of these, so that a new one may only stand at the end.
    for place, before in enumerate(by_place[0]):
        after = by_place[1][place] if place < len(by_place[1]) else None
        findings.expect(f"{name}, parameter {place + 1}", before, after, PARAMETERS)
    by_name = [{each["name"]: each for each in side["parameters"] if each["keyword_only"]} for side in (base, other)]
    for key, before in by_name[0].items():
        findings.expect(f"{name}, parameter {key}", before, by_name[1].get(key), PARAMETERS)
    before_all, after_all = ([each["name"] for each in side["parameters"]] for side in (base, other))
    for parameter in other["parameters"]:
        if parameter["name"] not in before_all and parameter["default"] is None:
            findings.differ(f"{name}, parameter {parameter['name']}", "not there", "new, without a default")
    _tell_growth(f"{name}, parameters", before_all, after_all, findings)


def _only_grows(where: str, base: Sequence[str], other: Sequence[str], kind: str, findings: Findings) -> None:
    findings.compared[kind] += len(base)
    for name in base:
        if name not in other:
            findings.differ(where, name, "not there")
    _tell_growth(where, base, other, findings)


def _tell_growth(where: str, base: Sequence[str], other: Sequence[str], findings: Findings) -> None:
    new = [name for name in other if name not in base]
    if new:
        findings.remarks.append(f"grew, {where}: {', '.join(new)}")
