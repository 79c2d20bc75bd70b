"""Whether a graph may become a session: it comes from strangers, and ONNX Runtime does whatever a graph says.

One walk over the file, before anything else reads it. A graph that passes holds operators of the default domain that
are known to end and not to crash (`tbft_artifacts.operators`), no graph inside another one and no function, and no
reference to a file but the initializers that the runtime hands over itself: ONNX Runtime would look for any other in
the working directory. How much memory its tensors take is bounded by the session (`sessions.py`), whatever sizes it
computes, and for what is folded while loading, by `Folding`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tbft_artifacts.errors import TbftError
from tbft_artifacts.operators import IN_BUNDLES, IN_MODELS, MAY_LACK, MOST_NODES
from tbft_runtime.graphs import onnx_schema as onnx
from tbft_runtime.graphs.folding import Folding
from tbft_runtime.graphs.node import Node, NodeReader
from tbft_runtime.graphs.protobuf import Field, message, signed
from tbft_runtime.graphs.tensor import Tensor, read_tensor
from tbft_runtime.graphs.value_types import ValueTypes

_DIVISIONS = ("Div", "Mod")
_DEFAULT_DOMAINS = (b"", b"ai.onnx")


@dataclass(frozen=True)
class Rules:
    """What graphs of one source may hold; `hint` says what to do about one that holds anything else."""

    operators: Collection[str]
    opsets: range
    hint: str


BUNDLE_RULES = Rules(IN_BUNDLES, range(17, 18), "do not trust this bundle, or export it again")
MODEL_RULES = Rules(
    IN_MODELS, range(7, 27), "give a model made by 'tbft-edge finalize', or one of plain inference operators"
)


@dataclass(frozen=True)
class CheckedGraph:
    """What loading has to know: the initializers whose values are handed over, and bounds for what is computed."""

    metadata: dict[str, str]
    nodes: int
    external: tuple[str, ...]
    initializer_bytes: int
    folded_bytes: int
    """The most that one node may make while constants are folded."""
    divisors: frozenset[bytes]
    """Sizes of tensors, by which integers are divided; of an empty one that would be 0."""


def check_graph(content: bytes, rules: Rules, shown: str) -> CheckedGraph:
    """Raises TbftError, which calls the graph `shown`, for one that breaks `rules` or cannot be read."""
    try:
        return _Walk(content, rules).model()
    except (ValueError, IndexError) as error:  # IndexError: a field without what it must have.
        raise TbftError(f"graph '{shown}' is refused: {error}", rules.hint) from error


class _Walk:
    def __init__(self, content: bytes, rules: Rules) -> None:
        self.content = content
        self.rules = rules
        self.types = ValueTypes()
        self.folding = Folding()
        # The empty name stands for an operand that is left out.
        self.made: set[bytes] = {b""}
        self.divisors: set[bytes] = set()

    def model(self) -> CheckedGraph:
        parts = message(self.content, 0, len(self.content), onnx.MODEL, "the model")
        for field in parts:
            if field[0] == onnx.MODEL_FUNCTIONS:
                raise ValueError("it has functions of its own")
            if field[0] == onnx.MODEL_TRAINING:
                raise ValueError("it says how it is trained")
        self._check_opsets([field for field in parts if field[0] == onnx.MODEL_OPSET])
        graphs = [field for field in parts if field[0] == onnx.MODEL_GRAPH]
        if not graphs:
            raise ValueError("there is no graph in this file")
        metadata = dict(self._said(field) for field in parts if field[0] == onnx.MODEL_METADATA)
        return self._graph(graphs[0], metadata)

    def _said(self, entry: Field) -> tuple[str, str]:
        """Key and value of an entry of the model's metadata."""
        found = {1: "", 2: ""}
        for number, _, start, end in message(self.content, entry[2], entry[3], onnx.ENTRY, "the metadata"):
            found[number] = self.content[start:end].decode()
        return found[1], found[2]

    def _check_opsets(self, imports: list[Field]) -> None:
        """One, and of the default domain: another one would let in operators that nobody knows."""
        versions = []
        for field in imports:
            parts = message(self.content, field[2], field[3], onnx.OPSET, "an opset")
            found = {number: (value, end) for number, _, value, end in parts}
            start, end = found.get(onnx.OPSET_DOMAIN, (0, 0))
            domain = self.content[start:end]
            if domain not in _DEFAULT_DOMAINS:
                raise ValueError(f"it uses operators of the domain '{_text(domain)}'")
            versions.append(signed(found.get(onnx.OPSET_VERSION, (0, 0))[0]))
        if len(versions) != 1:
            raise ValueError(f"it is of {len(versions)} opsets, not of one")
        if versions[0] not in self.rules.opsets:
            known = self.rules.opsets
            raise ValueError(
                f"it is of opset {versions[0]}, not of {known[0]}" + (f" to {known[-1]}") * (len(known) > 1)
            )

    def _graph(self, graph: Field, metadata: dict[str, str]) -> CheckedGraph:
        nodes: list[Field] = []
        initializers: list[Field] = []
        for field in message(self.content, graph[2], graph[3], onnx.GRAPH, "the graph"):
            number = field[0]
            if number == onnx.GRAPH_NODE:
                nodes.append(field)
            elif number == onnx.GRAPH_INITIALIZER:
                initializers.append(field)
            elif number in (onnx.GRAPH_INPUT, onnx.GRAPH_OUTPUT):
                name, element = self._value(field)
                if number == onnx.GRAPH_INPUT:
                    self.types.know(name, element)
                    self.made.add(name)
            elif number == onnx.GRAPH_SPARSE:
                raise ValueError("it has a sparse initializer")
        if len(nodes) > MOST_NODES:
            raise ValueError(f"it has {len(nodes):,} nodes, and {MOST_NODES:,} are the most")
        external, held = self._read(initializers, nodes)
        folded = self.folding.most_bytes(held)
        return CheckedGraph(metadata, len(nodes), external, held, folded, frozenset(self.divisors))

    def _read(self, initializers: list[Field], nodes: list[Field]) -> tuple[tuple[str, ...], int]:
        external: list[str] = []
        names: set[bytes] = set()
        held = 0
        for field in initializers:
            tensor = read_tensor(self.content, field)
            if not tensor.name or tensor.name in names:
                raise ValueError(f"initializer '{_text(tensor.name)}' has no name of its own")
            names.add(tensor.name)
            held += tensor.bytes
            if tensor.is_external:
                external.append(tensor.name.decode())
            self._constant(tensor.name, tensor)
        self.made |= names
        reader = NodeReader(self.content)
        for field in nodes:
            self._node(reader.read(field))
        return tuple(external), held

    def _constant(self, name: bytes, tensor: Tensor) -> None:
        self.types.know(name, tensor.element, divides=tensor.is_positive)
        self.folding.know(name, tensor.bytes)

    def _node(self, node: Node) -> None:
        """The next one; it reads only what is there already, as ONNX demands, so that all is known of that."""
        operator = _text(node.operator)
        if node.domain not in _DEFAULT_DOMAINS or operator not in self.rules.operators:
            raise _fault(node, "is none that a device computes")
        if node.has_graph:
            raise _fault(node, "has a graph inside")
        for tensor in node.tensors:
            if tensor.is_external:
                raise _fault(node, "refers to another file")
        if not self.made.issuperset(node.inputs):
            raise _fault(node, "reads what no node before it makes")
        self.made.update(node.outputs)
        self._check_operands(operator, node)
        self.types.add(operator, node)
        self.folding.add(operator, node)
        if operator == "Constant" and node.constant is not None and node.outputs:
            self._constant(node.outputs[0], node.constant)

    def _check_operands(self, operator: str, node: Node) -> None:
        """What ONNX Runtime takes on trust, and crashes without."""
        if operator in _DIVISIONS and self.types.may_be_integers(node) and not self.types.is_positive(node, 1):
            # The gradient of a mean does so.
            if not self.types.is_size(node, 1):
                raise _fault(node, "divides integers by what may be 0 or -1")
            self.divisors.add(node.inputs[1])
        if operator == "OneHot" and not self.types.is_positive(node, 1):
            raise _fault(node, "is of a depth that may be none")
        if b"" in (node.inputs[:1] if operator in MAY_LACK else node.inputs):
            raise _fault(node, "lacks an operand")

    def _value(self, field: Field) -> tuple[bytes, int]:
        """Name and element type of an input or output, which is a tensor of numbers."""
        content, name, element = self.content, b"", 0
        for number, _, value, end in message(content, field[2], field[3], onnx.VALUE, "a value"):
            if number == onnx.VALUE_NAME:
                name = content[value:end]
            elif number == onnx.VALUE_TYPE:
                element = self._element(value, end)
        if element not in onnx.ELEMENT_BYTES:
            raise ValueError(f"'{_text(name)}' is no tensor of numbers")
        name.decode()
        return name, element

    def _element(self, start: int, end: int) -> int:
        content = self.content
        for number, _, value, stop in message(content, start, end, onnx.TYPE, "the type of a value"):
            if number == onnx.TYPE_TENSOR:
                for part in message(content, value, stop, onnx.TENSOR_TYPE_SCHEMA, "the type of a tensor"):
                    if part[0] == onnx.TENSOR_TYPE_ELEMENT:
                        return part[2]
        return 0


def _fault(node: Node, what: str) -> ValueError:
    domain = f"{_text(node.domain)}::" if node.domain else ""
    place = node.name or (node.outputs[0] if node.outputs else b"")
    return ValueError(f"operator {domain}{_text(node.operator)} at node '{_text(place)}' {what}")


def _text(name: bytes) -> str:
    """A name for people: whatever bytes it has, and not all of them where it is long."""
    return name[:100].decode(errors="replace")
