"""Of which type the values of a graph are, as far as a division has to know.

ONNX Runtime divides integers as the processor does: by 0, and the least one by -1, the process dies (SIGFPE).
"""

from __future__ import annotations

from tbft_runtime.graphs import onnx_schema as onnx
from tbft_runtime.graphs.node import Node

# What the first result is, whatever goes in.
_ALWAYS = {
    **dict.fromkeys(("ArgMax", "ArgMin", "Shape", "Size"), onnx.INT64),
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), onnx.INT32),
    **dict.fromkeys(("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor"), onnx.BOOL),
    **dict.fromkeys(("Not", "IsNaN", "IsInf"), onnx.BOOL),
}
# Which operand says it, where that is not the first.
_OPERAND = {"Where": 1, "OneHot": 2, "CastLike": 1, "DequantizeLinear": 1}
# Attributes of a constant that are floats; the others are integers, tensors, or refused by ONNX Runtime.
_FLOATS = (b"value_float", b"value_floats")


class ValueTypes:
    """Element types by the names of values; what is not certain is unknown (0)."""

    def __init__(self) -> None:
        self._elements: dict[bytes, int] = {}
        self._positive: set[bytes] = set()
        self._sizes: set[bytes] = set()

    def know(self, name: bytes, element: int, *, divides: bool = False) -> None:
        """`name` is of that type; `divides` says that all its values are above 0."""
        self._elements[name] = element
        if divides:
            self._positive.add(name)

    def is_positive(self, node: Node, place: int) -> bool:
        """Whether the operand at that place is a constant of integers above 0."""
        return len(node.inputs) > place and node.inputs[place] in self._positive

    def is_size(self, node: Node, place: int) -> bool:
        """Whether the operand at that place is how many elements a tensor has."""
        return len(node.inputs) > place and node.inputs[place] in self._sizes

    def may_be_integers(self, division: Node) -> bool:
        """Whether nobody knows it to be of floats; both operands are of one type."""
        return not any(self._elements.get(name) in onnx.FLOATING for name in division.inputs)

    def add(self, operator: str, node: Node) -> None:
        """Know the results of a node."""
        element = self._result(operator, node)
        # Those behind the first may be of another type; of Split they are alike.
        for name in node.outputs if operator == "Split" else node.outputs[:1]:
            self._elements[name] = element
            if operator == "Size":
                self._sizes.add(name)

    def _result(self, operator: str, node: Node) -> int:
        if operator in _ALWAYS:
            return _ALWAYS[operator]
        if operator == "Cast":
            return node.integers.get(b"to", 0)
        if operator in ("Constant", "ConstantOfShape"):
            if node.constant is not None:
                return node.constant.element
            is_float = list(node.integers) in ([], *([name] for name in _FLOATS))
            return onnx.FLOAT32 if is_float else 0
        if operator in ("QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"):
            return 0
        place = _OPERAND.get(operator, 0)
        return self._elements.get(node.inputs[place], 0) if len(node.inputs) > place else 0
