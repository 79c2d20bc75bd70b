"""Two JSON documents key by key; what is measured is set aside, but for its type."""

from __future__ import annotations

from benchmarks.same_results.findings import Findings
from benchmarks.same_results.measured import (
    Measured,
    is_measured_sentence,
    is_sorted_by_time,
    rule_for,
    without_numbers,
)

VALUES = "JSON values"


def compare_json(document: str, base: object, other: object) -> Findings:
    """`base` and `other` as `json.loads` returns them; `document` begins the paths that `measured` knows."""
    findings = Findings()
    _compare(document, document, base, other, findings)
    return findings


def _compare(path: str, where: str, base: object, other: object, findings: Findings) -> None:
    """`path` has no numbers of items, for the rules; `where` has them, for people."""
    rule = rule_for(path)
    if rule is not None:
        _compare_measured(rule, where, base, other, findings)
    elif isinstance(base, dict) and isinstance(other, dict):
        if list(base) != list(other):
            findings.differ(f"{where}, keys", *_odd_ones(list(base), list(other)))
        for key in base:
            if key in other:
                _compare(f"{path}.{key}", f"{where}.{key}", base[key], other[key], findings)
    elif isinstance(base, list) and isinstance(other, list):
        base, other = _in_order(path, _said(base)), _in_order(path, _said(other))
        if len(base) != len(other):
            findings.differ(where, f"{len(base)} items", f"{len(other)} items")
        for number, (first, second) in enumerate(zip(base, other, strict=False)):
            _compare(path, f"{where}[{number}]", first, second, findings)
    elif is_measured_sentence(base) and is_measured_sentence(other):
        findings.expect(where, without_numbers(str(base)), without_numbers(str(other)), VALUES)
    else:
        findings.expect(where, base, other, VALUES)


def _compare_measured(rule: Measured, where: str, base: object, other: object, findings: Findings) -> None:
    findings.measured[rule] += _leaves(base)
    if not (rule.or_null and None in (base, other)) and not _same_types(base, other):
        findings.differ(f"{where}, types of what is measured", _types(base), _types(other))


def _said(items: list[object]) -> list[object]:
    return [item for item in items if not is_measured_sentence(item)]


def _in_order(path: str, items: list[object]) -> list[object]:
    """`items` by their names, where their order is that of times."""
    if not is_sorted_by_time(path):
        return items
    return sorted(items, key=lambda item: str(item.get("name")) if isinstance(item, dict) else "")


def _odd_ones(base: list[str], other: list[str]) -> tuple[str, str]:
    """The keys that only one side has, or where there are none, both orders."""
    lost, new = [key for key in base if key not in other], [key for key in other if key not in base]
    return (", ".join(lost) or "–", ", ".join(new) or "–") if lost or new else (", ".join(base), ", ".join(other))


def _leaves(value: object) -> int:
    if isinstance(value, dict | list):
        return sum(map(_leaves, value.values() if isinstance(value, dict) else value))
    return 1


def _same_types(base: object, other: object) -> bool:
    """Whether both have the same structure; lists may be of different length, with items that are all alike."""
    if isinstance(base, dict) and isinstance(other, dict):
        return list(base) == list(other) and all(_same_types(base[key], other[key]) for key in base)
    if isinstance(base, list) and isinstance(other, list):
        return all(_same_types(first, second) for first in base[:1] for second in (*base[1:], *other))
    return _type(base) == _type(other)


def _type(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return {bool: "true or false", str: "text", dict: "object", list: "array"}[type(value)]


def _types(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_types(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(dict.fromkeys(map(_types, value)))}]"
    return _type(value)
