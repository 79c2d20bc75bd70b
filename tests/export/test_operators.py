"""The operators that a device computes are those that the compiler writes, and none that end badly."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest

import tbft_export
from support.bundles import COMPILED
from support.onnx_models import parse
from tbft_artifacts.errors import TbftError
from tbft_artifacts.operators import IN_BUNDLES, IN_MODELS, LAYERS, WRITTEN
from tbft_export import pipeline
from tbft_export.pipeline import check_standard

STANDARD = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}
# What the compiler reads in training graphs, and writes out.
ONLY_READ = {"SoftmaxCrossEntropyLoss", "Gelu", "GRU", "LSTM", "RNN", "If"}
# And what tells it which fusions ONNX Runtime need not look for.
ONLY_READ |= {"DynamicQuantizeLinear", "MatMulInteger"}
# Never: control flow, random numbers, what is no tensor of numbers, and what divides integers unchecked.
HARMFUL = {
    "If",
    "Loop",
    "Scan",
    "BitShift",
    "RandomNormal",
    "RandomUniform",
    "RandomNormalLike",
    "Bernoulli",
} | {name for name in STANDARD if name.startswith(("Sequence", "Optional", "String", "Random", "Multinomial"))}
WHAT_TO_DO = (
    "the compiler names the operator {}, and devices refuse graphs with it: add it to WRITTEN in "
    "artifacts/tbft_artifacts/operators.py, once you know what is asked there of an operator"
)


def named_in(tree: ast.AST) -> Iterator[str]:
    """Operators that stand in code as words by themselves, or in a list of words that is split."""
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            words = each.value.split()
            if all(word in STANDARD for word in words):
                yield from words


def files() -> list[Path]:
    """All but the rooms that name operators of a user's network only to read them."""
    root = Path(tbft_export.__file__).parent
    reading = [root / name for name in ("sources", "reference", "blocks")]
    return sorted(file for file in root.rglob("*.py") if not any(file.is_relative_to(room) for room in reading))


def test_every_operator_that_the_compiler_names_may_be_in_a_bundle() -> None:
    """Lowerings, passes, exits and optimizers: a new operator in one of them is told here, and not by a device."""
    for file in files():
        for name in named_in(ast.parse(file.read_text())):
            assert name in IN_BUNDLES | ONLY_READ, f"{file.name}: {WHAT_TO_DO.format(name)}"


def test_the_compiler_names_every_operator_of_the_list() -> None:
    """But those of an int8 prefix, which ONNX Runtime's quantizer writes: nothing is allowed without need."""
    named = {name for file in files() for name in named_in(ast.parse(file.read_text()))}
    assert WRITTEN - named <= {"DequantizeLinear", "QuantizeLinear"}


def test_every_operator_of_a_bundle_is_in_the_list() -> None:
    """All methods, optimizers, forms, exits and prefixes of the test bundles; none is of another domain."""
    found = set()
    for path in COMPILED.rglob("*.onnx"):
        if path.parent.name != "ort_training":
            found |= {(node.domain, node.op_type) for node in onnx.load(path, load_external_data=False).graph.node}
    assert len(found) > 30, f"there is hardly a bundle in {COMPILED}: 'make build/test-bundles/.made' makes them"
    assert {domain for domain, _ in found} == {""}
    assert {name for _, name in found} <= IN_BUNDLES


def test_the_lists_name_operators_of_the_standard() -> None:
    """Once each, and none that may harm a device."""
    assert IN_MODELS <= STANDARD
    assert not WRITTEN & LAYERS
    assert not IN_MODELS & HARMFUL


def test_the_compiler_writes_no_graph_that_a_device_refuses() -> None:
    """The user hears of it when exporting, with the layer's name, and not on the device."""
    model = parse("g (float[4, 4] x) => (float y) { r = Det(x) y = Relu(r) }")
    with pytest.raises(TbftError, match="Det at node 'Det_0'") as caught:
        check_standard(model)
    assert "other operators" in caught.value.hint


def test_the_compiler_writes_no_graph_that_is_too_long_for_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recurrent layers over long sequences are written out step by step."""
    monkeypatch.setattr(pipeline, "MOST_NODES", 1)
    check_standard(parse("g (float[n, 4] x) => (float[n, 4] y) { y = Relu(x) }"))
    with pytest.raises(TbftError, match="a graph of this network would have 2 nodes, and 1 are the most"):
        check_standard(parse("g (float[n, 4] x) => (float[n, 4] y) { r = Relu(x) y = Relu(r) }"))
