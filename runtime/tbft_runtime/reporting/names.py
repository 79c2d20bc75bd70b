"""What to call runs that are known by their paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath


def short_names(paths: Sequence[PurePath]) -> tuple[str, ...]:
    """The shortest end of each path that no other one has; equal paths are numbered from the second on."""
    tails = Counter(tail for path in set(paths) for tail in _tails(path))
    seen: Counter[PurePath] = Counter()
    names = []
    for path in paths:
        name = next((tail for tail in _tails(path) if tails[tail] == 1), str(path))
        seen[path] += 1
        names.append(name if seen[path] == 1 else f"{name} ({seen[path]})")
    return tuple(names)


def _tails(path: PurePath) -> list[str]:
    """The ends of a path, shortest first."""
    return [str(PurePath(*path.parts[-length:])) for length in range(1, len(path.parts) + 1)]
