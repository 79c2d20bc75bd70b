"""How much ONNX Runtime may compute while it loads a graph.

It evaluates every node that depends on constants alone, so that filters are turned once and not in each step, and keeps
the results: without a bound a file of a few hundred bytes makes gigabytes. ONNX Runtime knows one bound, for each node;
where there are many such nodes, it has to be lower. A node above it is computed in each run, within the memory of the
session.
"""

from __future__ import annotations

from tbft_runtime.graphs.node import Node

# For all nodes together, beside so many times the constants themselves.
_BYTES, _TIMES = 128 << 20, 4
_LEAST = 1 << 20
# Networks have some hundreds; with many thousands a graph would be loading for minutes.
_MOST_NODES = 2000
# Whose results have no more values than their first operand.
_NO_GROWTH = frozenset(
    {
        *("Abs", "Cast", "Exp", "Flatten", "Identity", "Log", "Neg", "Reciprocal", "ReduceMean", "ReduceSum"),
        *("Relu", "Reshape", "Shape", "Size", "Slice", "Split", "Sqrt", "Squeeze", "Transpose", "Unsqueeze"),
    }
)
_WIDEST = 8


class Folding:
    """Which values depend on constants alone, and how many bytes they have at most."""

    def __init__(self) -> None:
        self._constants: dict[bytes, int | None] = {}
        self._folded: list[int | None] = []

    def know(self, name: bytes, size: int) -> None:
        """`name` is a constant of the file with so many bytes."""
        self._constants[name] = size

    def add(self, operator: str, node: Node) -> None:
        """A node, in the order of the graph."""
        for name in node.inputs:
            if name and name not in self._constants:
                return
        operands = [name for name in node.inputs if name]
        if operator == "Constant":
            for name in node.outputs:
                self._constants.setdefault(name, 0)
            return
        size = self._constants[operands[0]] if operands and operator in _NO_GROWTH else None
        if size is not None and operator == "Cast":
            size *= _WIDEST
        self._folded.append(size)
        for name in node.outputs:
            self._constants[name] = size

    def most_bytes(self, held: int) -> int:
        """What one node may make, if the constants of the file have `held` bytes."""
        if len(self._folded) > _MOST_NODES:
            return 1
        known = [size for size in self._folded if size is not None]
        budget = _BYTES + _TIMES * held
        most = max([_LEAST, *known])
        if sum(known) + most * (len(self._folded) - len(known)) > budget:
            most = budget // len(self._folded)
        return most
