"""BREEDS: tasks whose classes meet, in the field, subclasses that they were not trained on.

Source: Santurkar, Tsipras & Madry, "BREEDS: Benchmarks for Subpopulation Shift" (2020, arXiv 2008.04859),
and the hierarchy files of https://github.com/MadryLab/BREEDS-Benchmarks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.datasets.downloads import BREEDS

ROOT = "n00001740"
_EDGES, _NAMES, _CLASSES = "class_hierarchy.txt", "node_names.txt", "dataset_class_info.json"
# The seed of the published tasks, for numpy's legacy generator.
_SEED = 2


@dataclass(frozen=True)
class Hierarchy:
    """`children` of every node above an ImageNet class, `levels` by the longest way from the root, `names`.

    `leaves` are the ImageNet classes. Nodes are WordNet IDs, such as `n02084071`.
    """

    children: Mapping[str, tuple[str, ...]]
    levels: Mapping[str, int]
    names: Mapping[str, str]
    leaves: frozenset[str]

    def leaves_below(self, node: str) -> list[str]:
        """The ImageNet classes of a node, sorted; of a class itself, that class."""
        found = {below for below in _reachable(node, self.children, self.leaves) if below in self.leaves}
        return sorted(found)


@dataclass(frozen=True)
class Superclass:
    """A class of the task, and the ImageNet classes it has where it is trained and where it is used."""

    wnid: str
    name: str
    source: tuple[str, ...]
    target: tuple[str, ...]


def read_hierarchy(folder: Path, root: str = ROOT) -> Hierarchy:
    """Read the three files of BREEDS. Raises TbftError if one is missing or not of their form."""
    missing = [name for name in (_EDGES, _NAMES, _CLASSES) if not (folder / name).is_file()]
    if missing:
        raise TbftError(f"'{folder}' has no {', '.join(missing)}", BREEDS)
    edges = [_pair(line, None, folder / _EDGES) for line in _lines(folder / _EDGES)]
    names = dict(_pair(line, "\t", folder / _NAMES) for line in _lines(folder / _NAMES))
    leaves = _leaves(folder / _CLASSES)
    children = _above(leaves, edges)
    try:
        # Children come before parents.
        order = list(TopologicalSorter(children).static_order())
    except CycleError as error:
        raise TbftError(f"'{folder / _EDGES}' goes in a circle", BREEDS) from error
    return Hierarchy(children, _levels(root, children, reversed(order)), names, leaves)


def superclasses(
    hierarchy: Hierarchy, level: int, ancestor: str, subclasses: int, seed: int = _SEED
) -> list[Superclass]:
    """The nodes at `level` below `ancestor` with at least `subclasses` ImageNet classes, sorted by ID.

    Of each so many classes are drawn; the first half is the source, the second the target. This is the
    "rand" split of the published tasks, draw by draw.
    """
    rng = np.random.RandomState(seed)
    below = _reachable(ancestor, hierarchy.children)
    found = []
    for node in sorted(node for node in below if hierarchy.levels.get(node) == level):
        leaves = hierarchy.leaves_below(node)
        if len(leaves) >= subclasses:
            drawn = [str(leaf) for leaf in rng.choice(leaves, subclasses, replace=False)]
            half = subclasses // 2
            found.append(Superclass(node, hierarchy.names.get(node, node), tuple(drawn[:half]), tuple(drawn[half:])))
    return found


def _above(leaves: frozenset[str], edges: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Children of every node that is above an ImageNet class; the rest of the hierarchy is left out."""
    parents: dict[str, list[str]] = {}
    for parent, child in edges:
        parents.setdefault(child, []).append(parent)
    children: dict[str, list[str]] = {}
    todo, seen = list(leaves), set(leaves)
    while todo:
        node = todo.pop()
        for parent in parents.get(node, ()):
            children.setdefault(parent, []).append(node)
            if parent not in seen:
                seen.add(parent)
                todo.append(parent)
    return {parent: tuple(nodes) for parent, nodes in children.items()}


def _levels(root: str, children: Mapping[str, tuple[str, ...]], parents_first: Iterable[str]) -> dict[str, int]:
    levels = {root: 0}
    for node in parents_first:
        if node in levels:
            for child in children.get(node, ()):
                levels[child] = max(levels[node] + 1, levels.get(child, 0))
    return levels


def _reachable(node: str, children: Mapping[str, tuple[str, ...]], stops: frozenset[str] = frozenset()) -> set[str]:
    """`node` and all below it, but nothing below `stops`."""
    todo, seen = [node], {node}
    while todo:
        current = todo.pop()
        new = set(children.get(current, ())) - seen if current not in stops else set()
        seen |= new
        todo += new
    return seen


def _leaves(path: Path) -> frozenset[str]:
    """IDs of a list of [number, ID, name], one for each ImageNet class."""
    try:
        classes: Any = json.loads("\n".join(_lines(path)))
        return frozenset(str(wnid) for _, wnid, _ in classes)
    except (ValueError, TypeError, RecursionError) as error:
        raise TbftError(f"'{path}' is no list of [number, ID, name]: {error}", BREEDS) from error


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise TbftError(f"'{path}' cannot be read: {error}", BREEDS) from error


def _pair(line: str, separator: str | None, path: Path) -> tuple[str, str]:
    parts = line.strip().split(separator)
    if len(parts) != 2:
        raise TbftError(f"'{line}' in '{path}' is not two words", BREEDS)
    return parts[0], parts[1]
