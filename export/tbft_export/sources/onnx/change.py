"""What an operator was, or became, in another opset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tbft_export.graph.emitter import Emitter


@dataclass(frozen=True)
class Change:
    """An operator that changed with `opset`, and how a node from the other side of it is rewritten.

    `rewrite` replaces the node, or changes its attributes and leaves it where it stands.
    """

    opset: int
    rewrite: Callable[[Emitter], None]
