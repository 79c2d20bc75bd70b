"""What the device's walk over a graph lets pass is what protobuf's own parser finds in it: nothing is hidden from it.

Bytes are changed, cut, doubled and put into each other anywhere. A parser that read something else there would let an
operator or a reference to a file through.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given, settings
from hypothesis import strategies as st

from support.bundles import COMPILED
from support.evil_graphs import EVIL
from support.onnx_writer import classifier
from tbft_artifacts.errors import TbftError
from tbft_artifacts.operators import IN_MODELS
from tbft_runtime.graphs.check_graph import MODEL_RULES, CheckedGraph, check_graph

LARGEST = 20_000
# Keys of fields, and where numbers grow a byte or end.
TELLING = (0, 1, 2, 7, 8, 0x2A, 0x3A, 0x42, 0x6A, 0x72, 0x7F, 0x80, 0xFF)
SEEDS = [
    classifier(),
    *(content for content in EVIL.values() if len(content) < LARGEST),
    *(path.read_bytes() for path in sorted(COMPILED.glob("*-block*/plans/*/[ps]*.onnx"))[:6]),
]


def parts(message: Message) -> Iterator[Message]:
    """It, and all that is inside, however deep."""
    yield message
    for field, found in message.ListFields():
        if field.message_type is not None:
            for each in [found] if isinstance(found, Message) else found:
                yield from parts(each)


def assert_nothing_hidden(model: onnx.ModelProto, checked: CheckedGraph) -> None:
    """Operators, domains, opsets and references are those that the walk saw."""
    assert [entry.domain for entry in model.opset_import] in ([""], ["ai.onnx"])
    assert {node.op_type for node in model.graph.node} <= IN_MODELS
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    everything = list(parts(model))
    assert sum(isinstance(each, onnx.GraphProto) for each in everything) == 1
    assert not any(isinstance(each, onnx.FunctionProto | onnx.SparseTensorProto) for each in everything)
    outside = [
        each for each in everything if isinstance(each, onnx.TensorProto) and (each.external_data or each.data_location)
    ]
    mine = [each for each in model.graph.initializer if each.external_data or each.data_location]
    assert len(outside) == len(mine)
    assert tuple(each.name for each in mine) == checked.external
    assert {entry.key: entry.value for entry in model.metadata_props} == checked.metadata


@pytest.mark.parametrize("name", sorted(name for name, content in EVIL.items() if len(content) < LARGEST))
def test_what_passes_as_it_is(name: str) -> None:
    try:
        checked = check_graph(EVIL[name], MODEL_RULES, name)
    except TbftError:
        return
    assert_nothing_hidden(onnx.ModelProto.FromString(EVIL[name]), checked)


@given(data=st.data())
@settings(max_examples=1500, deadline=None)
def test_what_passes_of_changed_bytes(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content) - 1))
        stop = min(len(content), start + data.draw(st.integers(0, 40)))
        match data.draw(st.sampled_from(["flip", "set", "cut", "double", "insert"])):
            case "flip":
                content[start] ^= 1 << data.draw(st.integers(0, 7))
            case "set":
                content[start] = data.draw(st.sampled_from(TELLING))
            case "cut":
                del content[start:stop]
            case "double":
                content[start:start] = content[start:stop]
            case "insert":
                content[start:start] = data.draw(st.binary(max_size=8))
        if not content:
            return
    changed = bytes(content)
    try:
        checked = check_graph(changed, MODEL_RULES, "x")
    except TbftError:
        return
    try:
        model = onnx.ModelProto.FromString(changed)
    except DecodeError:
        return  # ONNX Runtime refuses it, too.
    assert_nothing_hidden(model, checked)
