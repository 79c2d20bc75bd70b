"""Several graph runs at the same time, each on one core.

A graph of a small network has hundreds of short operators. Shared among cores, each of them waits for
the slowest; whole runs side by side do not wait at all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


def in_lanes(lanes: int, function: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """`function` of each item, in the order of `items`, on up to `lanes` threads."""
    if lanes == 1 or len(items) == 1:
        return [function(item) for item in items]
    return list(_pool(lanes).map(function, items))


@functools.cache
def _pool(lanes: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(lanes, "lane")
