"""Nodes of standard operators, written as formulas are: numbers stand among their operands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import onnx_ir as ir

from tbft_artifacts.names import ORIGIN_END

Number = float | Sequence[int] | Sequence[float] | np.ndarray
Operand = ir.Value | Number | None
Attribute = int | float | str | Sequence[int]
# Kind of operator, or "constant" -> the names of its first result and of its node; None leaves a name to the graph.
Naming = Callable[[str], tuple[str | None, str | None]]


class NodeWriter:
    """Writes nodes into `graph`, at its end or to where `add` puts them.

    Of operands a float is a float32 constant, an int an int64 one, and a list a vector of what is in it (an empty one,
    of ints); an array keeps its type. Constants become initializers of the graph at once. None stands for an operand
    that is left out.
    """

    def __init__(self, graph: ir.Graph, naming: Naming, add: Callable[[ir.Node], object] | None = None) -> None:
        self.graph = graph
        self._naming = naming
        self._add = graph.append if add is None else add

    def op(self, op_type: str, *operands: Operand, **attributes: Attribute) -> ir.Value:
        """Write a node with one result."""
        return self.ops(op_type, 1, *operands, **attributes)[0]

    def ops(self, op_type: str, results: int, *operands: Operand, **attributes: Attribute) -> Sequence[ir.Value]:
        """Write a node with several results."""
        return self.write(op_type, operands, [_attribute(*each) for each in attributes.items()], results).outputs

    def cast(self, value: ir.Value | None, to: ir.DataType) -> ir.Value:
        """The same numbers of another type."""
        return self.op("Cast", value, to=int(to))

    def write(
        self,
        op_type: str,
        operands: Iterable[Operand],
        attributes: Iterable[ir.Attr] = (),
        results: int = 1,
        domain: str = "",
    ) -> ir.Node:
        """Write a node of any domain, with attributes as nodes have them."""
        inputs = [each if each is None or isinstance(each, ir.Value) else self.constant(each) for each in operands]
        value, own = self._naming(op_type)
        names = [value if index == 0 or value is None else f"{value}.{index}" for index in range(results)]
        outputs = [ir.Value(name=name) for name in names]
        node = ir.Node(domain, op_type, inputs, attributes, outputs=outputs, name=own)
        self._add(node)
        return node

    def constant(self, number: Number) -> ir.Value:
        """A number, or several, as an initializer of the graph."""
        name, _ = self._naming("constant")
        assert name is not None
        return initializer(self.graph, name, number)


def initializer(graph: ir.Graph, name: str, number: Number) -> ir.Value:
    """Register a number, or several, in `graph` under a name of its own."""
    array = _array(number)
    # Not `ir.tensor`: it asks which protocols an array follows, which takes longer than all else here.
    tensor = ir.Tensor(array, name=name)
    value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor)
    graph.register_initializer(value)
    return value


def numbered(values: str, nodes: str, numbers: Iterator[int]) -> Naming:
    """Names that begin as given and end in a number, of which each is given once."""

    def name(kind: str) -> tuple[str, str]:
        number = next(numbers)
        return f"{values}{kind}_{number}", f"{nodes}{kind}_{number}"

    return name


def named_after(origin: str) -> Naming:
    """Nodes named after what they compute for, which has one of each kind; the graph numbers their results."""
    return lambda kind: (None, f"{origin}{ORIGIN_END}{kind}")


def named_by_graph(_kind: str) -> tuple[None, None]:
    """Names that the graph gives."""
    return None, None


def _attribute(name: str, value: Attribute) -> ir.Attr:
    if isinstance(value, int | float | str):
        return ir.convenience.convert_attribute(name, value)
    # Which kind of sequence it is is found out slowly.
    return ir.AttrInt64s(name, value)


def _array(number: Number) -> np.ndarray:
    if isinstance(number, np.ndarray):
        return number
    array = np.array(number)
    if array.dtype.kind not in "fi":
        raise TypeError(f"an operand is {number!r}, neither a float nor an int")
    return array.astype(np.float32 if array.dtype.kind == "f" and array.size else np.int64)
