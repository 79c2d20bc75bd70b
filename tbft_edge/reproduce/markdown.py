"""Results of suites as one Markdown page: verdicts first, and plainly what falls short."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from tbft_artifacts.words import as_line
from tbft_edge.reproduce.results import Results
from tbft_edge.reproduce.summary.names import Exhibit
from tbft_edge.reproduce.summary.verdict import Verdict
from tbft_edge.reproduce.summary.whole import SYSTEM_COST, Summary, summarize
from tbft_edge.tables.table import escape, markdown

_JPEG = (
    "The photos are CIFAR-10's test images that went through JPEG, so the heights of accuracies are not the paper's: "
    "compare rows with each other."
)


def reproduction_page(results: Sequence[Results]) -> str:
    """The whole page, a part per suite in the order given."""
    summaries = [summarize(each) for each in results]
    parts = ["# The paper's experiments, reproduced\n", _intro(results), *_verdicts(summaries)]
    parts += map(_suite, summaries)
    return "\n".join(parts).rstrip("\n") + "\n"


def command(results: Results) -> str:
    """What makes these results."""
    sources = "" if results.suite == SYSTEM_COST else f" --data {_word(results.data_file)} {_network(results)}"
    return f"tbft-edge reproduce {results.suite} --preset {results.preset}{sources} --out results"


def _intro(results: Sequence[Results]) -> str:
    commands = "\n".join(command(each) for each in results)
    words = (
        f"Written by `python -m benchmarks.reproduction_page` from what these commands gave:\n\n```\n{commands}\n```\n"
    )
    return words + (f"\n{_JPEG}\n" if any("jpeg" in each.data.lower() for each in results) else "")


def _verdicts(summaries: Sequence[Summary]) -> list[str]:
    short = [
        f"- **{escape(summary.title)}: {escape(verdict.claim)}: {verdict.word}.** {_words(verdict)}\n"
        for summary in summaries
        for verdict in summary.verdicts
        if verdict.holds is False
    ]
    held = [
        f"- {escape(summary.title)}: {escape(verdict.claim)}: {verdict.word}.\n"
        for summary in summaries
        for verdict in summary.verdicts
        if verdict.holds is not False
    ]
    return [
        "## What falls short\n",
        "".join(short or ["Nothing.\n"]),
        "## What else was asked\n",
        "".join(held or ["–\n"]),
    ]


def _suite(summary: Summary) -> str:
    lines = [f"## {escape(summary.title)}\n"]
    lines += [f"- {verdict.word}: {escape(verdict.claim)}.{_nested(verdict)}" for verdict in summary.verdicts]
    lines.append("".join(f"\n{escape(remark)}\n" for remark in summary.remarks))
    for section in summary.sections:
        lines.append(f"### {section.title}\n")
        lines += map(_exhibit, section.exhibits)
    lines.append("### Where it comes from\n")
    lines.append("".join(f"- {escape(name)}: {escape(value)}\n" for name, value in summary.provenance))
    return "\n".join(lines)


def _words(verdict: Verdict) -> str:
    return escape(" ".join(verdict.lines))


def _nested(verdict: Verdict) -> str:
    return "".join(f"\n  - {escape(line)}" for line in verdict.lines)


def _exhibit(exhibit: Exhibit) -> str:
    note = f"\n{escape(exhibit.note)}\n" if exhibit.note else ""
    return markdown(exhibit.table) + note


def _network(results: Results) -> str:
    option = "--train-source" if results.trained_first else "--weights"
    return f"{option} {_word(results.network_file)}"


def _word(name: str) -> str:
    """The name as a shell reads it."""
    return shlex.quote(as_line(name))
