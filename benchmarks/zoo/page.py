"""The results of the zoo as a page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from benchmarks.zoo.networks import NETWORKS
from benchmarks.zoo.results import PlanTried, Tried

_HEAD = """# A zoo of networks

`make zoo` exports each of these networks with the real command, every plan that can be made (`--drift all
--keep-going`), trains the head, the last stage and the whole for ten steps of SGD on ONNX Runtime as a device does, and
holds the result against PyTorch in float64. Weights are seeded, and statistics of norms a little off those of the
images: no network here is trained. *Of the bound* is how far the device's weights end from float64's, as a part of what
they may: four times what PyTorch's own float32 is off at most in three runs, in two of which images are moved by
1e-5, or half a hundredth of how far training went. In deep networks a single activation that falls on the other side of
a kink changes as much.

Export times are seconds of one processor, checks included; those of steps (8 images, one thread) depend on what else
the machine did.
"""


class Asked(Protocol):
    """Of which an export was asked: why there is none, or why it lacks plans."""

    @property
    def name(self) -> str: ...
    @property
    def refused(self) -> str: ...
    @property
    def left_out(self) -> dict[str, str]: ...


def written(tried: Sequence[Tried]) -> str:
    """The whole page."""
    heads = sum(each.trains("output") for each in tried)
    late = sum(each.trains("output") and each.trains("feature") for each in tried)
    whole = sum(each.trains("full") for each in tried)
    lines = [
        _HEAD,
        f"Of {len(tried)} networks {heads} train their head, {late} that and their last stage, {whole} everything.\n",
        "| network | input | parameters | export | peak | bundle | head | last stage | everything |",
        "|---|---|---|---|---|---|---|---|---|",
        *map(_row, tried),
        *reasons(tried),
        *_untried(tried),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _row(tried: Tried) -> str:
    shape = "×".join(map(str, tried.shape))
    costs = (
        [f"{tried.processor_seconds:.0f} s", f"{tried.peak_bytes / 1e9:.1f} GB", f"{tried.bundle_bytes / 1e6:.1f} MB"]
        if tried.plans
        else ["–"] * 3
    )
    plans = [_cell(tried, drift) for drift in ("output", "feature", "full")]
    cells = [tried.name.replace("_", " ", 1), shape, f"{tried.parameters / 1e6:.2f} M", *costs, *plans]
    return f"| {' | '.join(cells)} |"


def _cell(tried: Tried, drift: str) -> str:
    plan: PlanTried | None = next((each for each in tried.plans if each.drift == drift), None)
    if plan is None:
        return "no"
    outside = "" if plan.of_bound <= 1 else "**outside**: "
    return f"{outside}{plan.step_ms:.1f} ms, {plan.of_bound:.2g} of the bound"


def reasons(tried: Sequence[Asked]) -> list[str]:
    """A section on what cannot be made, a line each; nothing where all can."""
    lines = []
    for each in tried:
        said = {"everything": each.refused} if each.refused else each.left_out
        lines += [f"- {each.name}, {plan}: {reason}" for plan, reason in said.items()]
    return ["", "## What cannot be made", "", *lines] if lines else []


def _untried(tried: Sequence[Tried]) -> list[str]:
    names = sorted({network.name for network in NETWORKS} - {each.name for each in tried})
    return ["", "## Not tried yet", "", ", ".join(names)] if names else []
