"""Commands, arguments and options as `--help` names them: none may go, and what grows is told."""

from __future__ import annotations

import re

from benchmarks.same_results.findings import Findings

OPTIONS = "commands, arguments and options"
# A line that begins a new entry, and the choices behind an option: "  --bn [frozen|adapt|block|batch]".
_ENTRY = re.compile(r"^  (?P<name>[A-Za-z-][\w.-]*)(?: (?P<choices>\[[^\]]*\|[^\]]*\]))?")
_SECTION = re.compile(r"^(Arguments|Options|Commands):$")


def entries(text: str) -> dict[str, frozenset[str]]:
    """Each command, argument or option that a help text lists, and its choices, if it names some."""
    found: dict[str, frozenset[str]] = {}
    inside = False
    for line in text.splitlines():
        if _SECTION.match(line):
            inside = True
        elif inside and (entry := _ENTRY.match(line)):
            choices = entry["choices"] or "[]"
            found[entry["name"]] = frozenset(filter(None, choices[1:-1].split("|")))
    return found


def compare_help(command: str, base: str, other: str) -> Findings:
    """Two help texts of a command."""
    findings = Findings()
    before, after = entries(base), entries(other)
    findings.expect(f"{command} --help", bool(before), True, "help texts")
    for name, choices in before.items():
        findings.compared[OPTIONS] += 1
        if name not in after:
            findings.differ(f"{command} --help", name, "not there")
        elif choices - after[name]:
            findings.differ(f"{command} {name}", f"takes {', '.join(sorted(choices - after[name]))}", "does not")
    new = [name for name in after if name not in before]
    new += [f"{name} {each}" for name in before if name in after for each in sorted(after[name] - before[name])]
    if new:
        findings.remarks.append(f"grew, {command} --help: {', '.join(new)}")
    return findings
