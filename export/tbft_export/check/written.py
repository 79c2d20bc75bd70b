"""One written graph held against PyTorch: its formulas in float64, and ONNX Runtime's kernels in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tbft_export.check.compiled import decided_in_onnxruntime, in_float64, in_onnxruntime
from tbft_export.check.measure import FORMULA, Answers, formula_errors, kernel_errors
from tbft_export.check.result import Worst, formula_disagreement, kernel_disagreement

# Of all decisions of a step, rounding turns no more.
MOST_ADOPTED = 1e-3

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Written:
    """The graph `name` of the bundle in `folder`, what it is fed with, and its outputs in the words of PyTorch's step.

    `what` names it for people.
    """

    folder: Path
    name: str
    feeds: Arrays
    read: Callable[[Arrays], Answers]
    what: str


class Checked(NamedTuple):
    """What is furthest off, relative to its size and over what float32 may lose; how many kinks were adopted."""

    formula: Worst
    kernel: Worst
    adopted: int


def check_written(
    graph: Written, exact: Answers, rounded: Answers, beside_kinks: Callable[[], Sequence[Answers]]
) -> Checked:
    """Compare `graph` with PyTorch, in float64 (`exact`) and as its float32 has it (`rounded`).

    `beside_kinks` gives the exact step with kinks moved by less than anybody can tell. Raises DisagreementError.
    """
    formula = _formula(graph, exact, beside_kinks)
    found = graph.read(in_onnxruntime(graph.folder, graph.name, graph.feeds))
    kernel, adopted = Worst.among(kernel_errors(found, exact, rounded), exact.gradients), 0
    if not kernel.error <= 1:
        kernel, adopted = _following_kinks(graph, rounded, kernel)
    if not kernel.error <= 1:
        beside = kernel_errors(found, exact, rounded, beside_kinks())
        kernel, adopted = Worst.among(beside, exact.gradients), 0
    if not kernel.error <= 1:
        raise kernel_disagreement(graph.what, kernel)
    return Checked(formula, kernel, adopted)


def _formula(graph: Written, exact: Answers, beside_kinks: Callable[[], Sequence[Answers]]) -> Worst:
    followed = graph.read(in_float64(graph.folder, graph.name, graph.feeds)[0])
    worst = Worst.among(formula_errors(followed, exact), exact.gradients)
    if not worst.error <= FORMULA:
        worst = Worst.among(formula_errors(followed, exact, beside_kinks()), exact.gradients)
    if not worst.error <= FORMULA:
        raise formula_disagreement(graph.what, worst, FORMULA)
    return worst


def _following_kinks(graph: Written, rounded: Answers, before: Worst) -> tuple[Worst, int]:
    """Once more, with float64 on float32's side of every kink: which of those nearby it takes otherwise is chance."""
    outputs, decisions = decided_in_onnxruntime(graph.folder, graph.name, graph.feeds)
    followed, adopted = in_float64(graph.folder, graph.name, graph.feeds, decisions)
    exact = graph.read(followed)
    if adopted > MOST_ADOPTED * sum(each.size for each in decisions.values()):
        return before, 0
    return Worst.among(kernel_errors(graph.read(outputs), exact, rounded), exact.gradients), adopted
