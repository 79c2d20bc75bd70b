"""The walk over a graph accepts what the compiler writes, and nothing that a parser might read otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.bundles import COMPILED, compiled
from support.onnx_writer import IMAGES, LOGITS, classifier, graph, model, node, tensor
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.operators import MOST_NODES
from tbft_artifacts.plan import PREDICT
from tbft_runtime.graphs.check_graph import BUNDLE_RULES, MODEL_RULES, check_graph
from tbft_runtime.graphs.graph_file import check_graphs
from tbft_runtime.graphs.protobuf import bytes_field, number_field

GOOD = classifier()


@pytest.mark.parametrize("name", sorted(path.name for path in COMPILED.glob("[a-z]*")))
def test_every_graph_that_the_compiler_writes_is_accepted(name: str) -> None:
    """All plans, methods, optimizers, forms and prefixes."""
    check_graphs(open_bundle(compiled(name)))


def test_a_bundle_is_held_to_its_own_opset() -> None:
    """A model by itself may be of another one."""
    older = classifier(opsets=[("", 13)])
    assert check_graph(older, MODEL_RULES, "x").external == ()
    with pytest.raises(TbftError, match="opset 13, not of 17"):
        check_graph(older, BUNDLE_RULES, "x")


def test_the_default_domain_has_two_names() -> None:
    """Both are the same one."""
    check_graph(classifier(opsets=[("ai.onnx", 17)]), BUNDLE_RULES, "x")


def refused(content: bytes) -> str:
    """Why."""
    with pytest.raises(TbftError) as caught:
        check_graph(content, MODEL_RULES, "x")
    assert "trust" in caught.value.hint or "finalize" in caught.value.hint
    return caught.value.message


def overlong(key: int, content: bytes) -> bytes:
    """A field whose key is written with a byte too many."""
    return bytes([key << 3 | 2 | 0x80, 0]) + bytes([len(content)]) + content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 opsets"),
        (GOOD[:-1], "ends in the middle"),
        (GOOD + bytes_field(7, b""), "field 7 of the model is there twice"),
        (GOOD + overlong(7, b""), "field 7 of the model is there twice"),
        (GOOD + bytes_field(99, b""), "field 99 of the model is none that is known"),
        (GOOD + number_field(7, 1), "field 7 of the model is none that is known"),
        (GOOD + bytes([7 << 3 | 3, 7 << 3 | 4]), "field 7 of the model is none that is known"),
        (GOOD + bytes([5 << 3]) + b"\xff" * 10, "the middle of a number"),
        (GOOD + bytes([5 << 3]) + b"\xff" * 9 + b"\x7f", "more than 64 bits"),
        (GOOD + number_field(0, 1), "field 0 of the model is none that is known"),
        (classifier(tensors=[tensor("two", [1]) + number_field(2, 1)]), "field 2 of a tensor is there twice"),
        (classifier(tensors=[tensor("one", [1])]), "'one' has no name of its own"),
        (classifier(tensors=[tensor("", [1])]), "has no name of its own"),
        (classifier(tensors=[tensor("short", [1, 2])[:-1]]), "ends in the middle"),
        (classifier(tensors=[number_field(1, 3) + tensor("long", [1, 2])]), "'long' has 16 bytes, and its shape 48"),
        (classifier(tensors=[number_field(1, 2**64 - 1) + tensor("minus", np.int64(1))]), "no possible shape"),
        (classifier(tensors=[number_field(1, 0) + number_field(1, 2**40) + tensor("void", [1])]), "no possible shape"),
        (classifier(tensors=[number_field(2, 8) + bytes_field(8, b"s") + bytes_field(6, b"text")]), "field 6"),
        (classifier(tensors=[number_field(2, 2**32 + 1) + bytes_field(8, b"s")]), "none of numbers"),
        (classifier([node("Add", "later later", "odd"), node("Identity", "one", "later")]), "no node before it makes"),
        (classifier([node("Cast", "one", "odd", to=1) + bytes_field(5, bytes_field(1, b"to"))]), "an attribute twice"),
        (classifier([node("Cast", "one", "odd", to=1) + bytes_field(8, b"f")]), "calls a function"),
        (classifier([node("Cast", "one", "odd") + bytes_field(5, bytes_field(21, b"n"))]), "no plain value"),
        (bytes_field(8, number_field(2, 17)), "no graph"),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused(content: bytes, said: str) -> None:
    """Fields that are there twice are merged by some parsers, and replaced by others."""
    assert said in refused(content)


def test_a_message_names_operator_node_and_graph() -> None:
    """Whatever letters they have; one line, and not all of a long name."""
    name = "evil\n\x1b[31m" + "long" * 1000
    content = classifier([node("If", "one", name)])
    message = refused(content)
    assert message.startswith("graph 'x' is refused: operator If at node 'node evil")
    assert message.isprintable()
    assert len(message) < 300


def test_as_many_nodes_as_may_be() -> None:
    """And not one more."""

    def of(count: int) -> bytes:
        steps = b"".join(bytes_field(1, node("Neg", "brightness", f"step{number}")) for number in range(count - 4))
        return classifier(more_of_graph=steps)

    check_graph(of(MOST_NODES), MODEL_RULES, "x")
    assert "nodes" in refused(of(MOST_NODES + 2))


@pytest.mark.parametrize(
    ("by", "fine"), [(np.int64(2), True), (np.array([3, 1]), True), (np.int64(0), False), (np.array([3, -1]), False)]
)
def test_integers_are_divided_by_what_is_known_to_be_positive(by: np.ndarray, fine: bool) -> None:
    """As the size of a group is; the processor stops a process that divides by 0, or the least one by -1."""
    content = classifier(
        [
            node("Shape", "images", "shape", end=2),
            node("Div", "shape by", "part"),
            node("ReduceSum", "part", "sum", keepdims=0),
            node("Cast", "sum", "odd", to=1),
        ],
        {"by": by},
    )
    if fine:
        check_graph(content, BUNDLE_RULES, "x")
    else:
        assert "divides integers" in refused(content)


@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255), cut=st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_damaged_graph_is_accepted_or_refused(place: float, bits: int, cut: bool) -> None:
    """And never anything else, wherever a byte is other than it was."""
    whole = (compiled("feature-block") / PREDICT).read_bytes()
    at = int(place * len(whole))
    damaged = whole[:at] + (b"" if cut else bytes([whole[at] ^ bits]) + whole[at + 1 :])
    try:
        check_graph(damaged, BUNDLE_RULES, "x")
    except TbftError as error:
        assert error.message.startswith("graph 'x' is refused: ")  # noqa: PT017  (that it is one is the point)


def test_values_that_lie_outside_are_listed() -> None:
    """They are what the runtime hands over."""
    bundle = open_bundle(compiled("feature-block"))
    found = check_graph(bundle.read(PREDICT), BUNDLE_RULES, "x")
    weights = bundle.load_weights()
    assert len(found.external) > 5
    assert set(found.external) <= set(weights)
    assert found.initializer_bytes >= sum(weights[name].nbytes for name in found.external)


def test_a_graph_of_many_small_fields_is_refused_soon() -> None:
    """A million inputs of one node, or a million initializers, are more than any network has."""
    many = bytes_field(1, b"one") * 300_000
    assert "parts" in refused(classifier(more_of_graph=bytes_field(1, many + node("Sum", "one", "odd"))))
    assert "parts" in refused(model(graph([], [], [IMAGES], [LOGITS], bytes_field(13, b"") * 300_000)))
