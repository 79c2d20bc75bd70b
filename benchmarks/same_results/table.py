"""What was found, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.same_results.findings import Findings
from benchmarks.same_results.measured import MEASURED, SORTED_BY_TIME, WORDS
from benchmarks.same_results.play import Compared

# Of one thing; more seldom tell more.
SHOWN = 5


def row(compared: Compared) -> list[str]:
    """What it is, what was held against each other, how much is measured, and how it ended."""
    findings = compared.findings
    measured = f"{findings.measured.total():,}" if findings.measured else "–"
    return [compared.what, counts(findings.compared), measured, verdict(findings)]


def verdict(findings: Findings) -> str:
    """Whether it is the same, in a word that needs no colour."""
    if not findings.differences:
        return "same"
    return f"DIFFERENT ({len(findings.differences)})"


def counts(compared: Counter[str]) -> str:
    """`31 files, 4,198,302 bytes`."""
    kinds = {kind: kind.removesuffix("s") if number == 1 else kind for kind, number in compared.items()}
    return ", ".join(f"{compared[kind]:,} {words}" for kind, words in sorted(kinds.items()))


def measured_rows(whole: Findings) -> list[list[str]]:
    """Every rule, also those that met nothing: a reader sees all that is set aside."""
    rows = [[", ".join(rule.patterns), rule.why, f"{whole.measured[rule]:,}"] for rule in MEASURED]
    rows += [[pattern, "stands in the order of milliseconds", "the order"] for pattern in SORTED_BY_TIME]
    return rows + [[f"“{words.sentence.pattern}”", words.why, "its numbers"] for words in WORDS]


def details(everything: Sequence[Compared]) -> Iterator[str]:
    """Lines about what is different, and about what grew or has other words."""
    for compared in everything:
        differences = compared.findings.differences
        for difference in differences[:SHOWN]:
            yield f"DIFFERENT  {compared.what}: {difference.where}"
            yield f"  base:  {difference.base}"
            yield f"  other: {difference.other}"
        if len(differences) > SHOWN:
            yield f"  and {len(differences) - SHOWN} more"
    for compared in everything:
        yield from compared.findings.remarks


def summary(everything: Sequence[Compared], base: str, other: str) -> str:
    """The last line."""
    whole = Findings()
    for compared in everything:
        whole.add(compared.findings)
    different = [compared.what for compared in everything if compared.findings.differences]
    words = f"{base} and {other}, compared in {len(everything)} steps ({counts(whole.compared)}): "
    if different:
        return words + f"DIFFERENT in {len(different)}: {'; '.join(different)}"
    return words + "all the same"
