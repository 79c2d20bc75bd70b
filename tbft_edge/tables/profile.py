"""Where the time of a train step goes, as `train --profile` shows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tbft_edge.figures import percent
from tbft_edge.tables.table import Table, show

if TYPE_CHECKING:
    from tbft_artifacts.preprocessing import Noun
    from tbft_runtime.profiling.profile import Profile, Slice

LONGEST = 10
_FIGURES = ("graph", "ms per step", "share", "calls")


def print_profile(profile: Profile, noun: Noun) -> None:
    """The operators and the layers that take the most time, each with the graph that they belong to."""
    kernel_ms = sum(graph.kernel_ms for graph in profile.graphs)
    graphs = ", ".join(f"{graph.graph} {graph.wall_ms:.2f} ms" for graph in profile.graphs)
    title = f"Operators: mean of {profile.steps} steps of {profile.batch_size} {noun}s ({graphs})"
    operators = _rows(((graph.graph, part) for graph in profile.graphs for part in graph.operators), kernel_ms)
    show(Table(title, ["operator", *_FIGURES], operators, numbers=True))
    title = f"Layers: shares are of {kernel_ms:.2f} ms, all operators summed over threads"
    layers = _rows(((graph.graph, part) for graph in profile.graphs for part in graph.layers), kernel_ms)
    show(Table(title, ["layer", *_FIGURES], layers, numbers=True))


def _rows(parts: Iterable[tuple[str, Slice]], kernel_ms: float) -> list[list[str]]:
    longest = sorted(parts, key=lambda found: found[1].milliseconds, reverse=True)[:LONGEST]
    return [
        [
            part.name,
            graph,
            f"{part.milliseconds:.2f}",
            percent(part.milliseconds / kernel_ms if kernel_ms else None),
            f"{part.calls:g}",
        ]
        for graph, part in longest
    ]
