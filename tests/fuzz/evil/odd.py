"""Graphs that give something else than was agreed, or that no reader expects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

import numpy as np

from fuzz.evil.network import HONEST, INPUT, MEAN, OUT, Evil, number, numbers
from support.hostile import EVIL
from support.onnx_bytes import (
    BOOL,
    DOUBLE,
    FLOAT,
    FLOAT16,
    INT64,
    STRING,
    Subgraph,
    graph,
    model,
    node,
    tensor,
    value,
)
from tbft_runtime.graphs.protobuf import bytes_field, number_field


def other_kind(rng: Random) -> Evil:
    kind = rng.choice((FLOAT16, DOUBLE, INT64, BOOL, STRING))
    return Evil(last=[node("Cast", [HONEST], [OUT], to=kind)], output_kind=kind)


def kind_not_as_said(rng: Random) -> Evil:
    return Evil(last=[node("Cast", [HONEST], [OUT], to=DOUBLE)])


def other_rank(rng: Random) -> Evil:
    """A scalar, a vector, a dimension more."""
    end, dims = rng.choice(
        (
            (node("Identity", [MEAN], [OUT]), ()),
            (node("Flatten", [HONEST], [OUT], axis=0), (1, "all")),
            (node("Unsqueeze", [HONEST, "one"], [OUT]), ("batch", 1, 4)),
            (node("Reshape", [HONEST, "flat"], [OUT]), ("all",)),
        )
    )
    return Evil(nodes=[numbers("one", 1), numbers("flat", -1)], last=[end], output_dims=dims)


def other_classes(rng: Random) -> Evil:
    """More or fewer than there are names."""
    if rng.random() < 0.5:
        return Evil(last=[node("Concat", [HONEST, HONEST], [OUT], axis=1)], output_dims=("batch", 8))
    nodes = [numbers("from", 0), numbers("to", rng.choice((0, 1, 3))), numbers("axis", 1)]
    return Evil(nodes=nodes, last=[node("Slice", [HONEST, "from", "to", "axis"], [OUT])], output_dims=("batch", "c"))


def other_rows(rng: Random) -> Evil:
    """More or fewer than there are images."""
    if rng.random() < 0.5:
        return Evil(last=[node("Concat", [HONEST, HONEST], [OUT], axis=0)])
    nodes = [numbers("from", 0), numbers("to", rng.choice((0, 1)))]
    return Evil(nodes=nodes, last=[node("Slice", [HONEST, "from", "to"], [OUT])])


def no_number(rng: Random) -> Evil:
    """Not finite, always or for some images."""
    if rng.random() < 0.5:
        bad = rng.choice((float("nan"), float("inf"), -float("inf"), 3e38))
        return Evil(nodes=[number("bad", bad)], last=[node("Add", [HONEST, "bad"], [OUT])])
    operator = rng.choice(("Log", "Sqrt", "Acosh"))
    return Evil(last=[node(operator, [HONEST], [OUT])])


def sequence(rng: Random) -> Evil:
    kind = rng.choice(("SequenceConstruct", "SplitToSequence"))
    return Evil(last=[node(kind, [HONEST], [OUT])])


def more_outputs(rng: Random) -> Evil:
    return Evil(more_outputs=[value(rng.choice((HONEST, MEAN, "nowhere", EVIL)), FLOAT, ("batch", 4))])


def more_inputs(rng: Random) -> Evil:
    return Evil(more_inputs=[value("more", rng.choice((FLOAT, STRING, INT64)), ("batch",))])


def foreign_operator(rng: Random) -> Evil:
    domain, kind = rng.choice(
        (
            ("com.microsoft", "Gelu"),
            ("com.microsoft", "FusedMatMul"),
            ("com.microsoft", "NotThere"),
            ("ai.onnx.ml", "Scaler"),
            ("ai.onnx.training", "Adam"),
            ("ai.onnx.preview.training", "Momentum"),
            ("nobody", "Nothing"),
            (EVIL, EVIL),
        )
    )
    declared = {domain: 1} if rng.random() < 0.8 else {}
    return Evil(nodes=[node(kind, [MEAN], ["foreign"], domain)], adds="foreign", opsets=declared)


def strings(rng: Random) -> Evil:
    nodes = [node("Cast", [MEAN], ["words"], to=STRING), node("Cast", ["words"], ["again"], to=1)]
    return Evil(nodes=nodes, adds="again")


def odd_attribute(rng: Random) -> Evil:
    far = rng.choice((-1, 0, 2**31, -(2**63), 99))
    kind, name = rng.choice((("Flatten", "axis"), ("Concat", "axis"), ("Softmax", "axis"), ("Cast", "to")))
    return Evil(nodes=[node(kind, [INPUT], ["odd"], **{name: far})], adds="odd")


def odd_dims(rng: Random) -> Evil:
    """A tensor that says it is larger than it is, or less than nothing."""
    dims = rng.choice(([2**40], [2**32, 2**32], [-1], [-4, -4], [0], [2**62, 4], [1] * 300, [5], []))
    return Evil(adds="odd", initializers=[tensor("odd", np.ones(4, np.float32), dims)])


def circle(rng: Random) -> Evil:
    return Evil(nodes=[node("Add", ["b", MEAN], ["a"]), node("Add", ["a", MEAN], ["b"])], adds="b")


def deep_branches(rng: Random) -> Evil:
    depth = rng.choice((20, 100, 400))
    inner = graph([node("Identity", [MEAN], ["y"])], [], [value("y", FLOAT, ())])
    for _ in range(depth):
        branch = Subgraph(inner)
        outer = node("If", ["condition"], ["y"], then_branch=branch, else_branch=Subgraph(b""))
        inner = graph([outer], [], [value("y", FLOAT, ())])
    nodes = [node("Cast", [MEAN], ["condition"], to=BOOL)]
    nodes.append(node("If", ["condition"], ["deep"], then_branch=Subgraph(inner), else_branch=Subgraph(inner)))
    return Evil(nodes=nodes, adds="deep")


def deep_bytes(rng: Random) -> Evil:
    """Messages inside messages, which mean nothing."""
    content = b""
    for _ in range(rng.choice((50, 200, 2000))):
        content = bytes_field(rng.choice((1, 5, 6)), content)
    return Evil(raw=number_field(1, 8) + bytes_field(7, bytes_field(1, content)))


def many_nodes(rng: Random) -> Evil:
    count = rng.choice((3000, 50_000))
    nodes = [node("Neg", [f"n{index}"], [f"n{index + 1}"]) for index in range(count)]
    return Evil(nodes=[node("Identity", [MEAN], ["n0"]), *nodes], adds=f"n{count}")


def many_initializers(rng: Random) -> Evil:
    return Evil(initializers=[tensor(f"i{index}", np.ones(1, np.float32)) for index in range(30_000)])


def other_version(rng: Random) -> Evil:
    versions = rng.choice(({"": 1}, {"": 7}, {"": 9999}, {"": 0}, {"": 2**62}, {"": 17, "x" * 5000: 1}))
    return Evil(opsets=versions, ir_version=rng.choice((8, 8, 0, 3, 9999, 2**62)))


def empty(rng: Random) -> Evil:
    return Evil(raw=rng.choice((b"", model(b""), model(graph([], [], [])), bytes_field(7, b""), b"\x08\x08")))


def evil_names(rng: Random) -> Evil:
    """Names that may come out in words about an error."""
    name = rng.choice((EVIL, "x" * 100_000, "\x1b[31mred", "a\nerror: forged\n\nhint: do it"))
    kind = rng.choice(("Identity", name))
    return Evil(nodes=[node(kind, [MEAN if kind == name else "not\x1b there"], [name])], adds=name)


def bytes_that_are_no_text(rng: Random) -> Evil:
    broken = bytes_field(1, MEAN.encode()) + bytes_field(2, b"\xff\xfe\x80") + bytes_field(4, b"\xc3\x28")
    return Evil(nodes=[broken])


EVILS: Mapping[str, Callable[[Random], Evil]] = {
    "odd-kind": other_kind,
    "odd-kind-unsaid": kind_not_as_said,
    "odd-rank": other_rank,
    "odd-classes": other_classes,
    "odd-rows": other_rows,
    "odd-no-number": no_number,
    "odd-sequence": sequence,
    "odd-more-outputs": more_outputs,
    "odd-more-inputs": more_inputs,
    "odd-foreign-operator": foreign_operator,
    "odd-strings": strings,
    "odd-attribute": odd_attribute,
    "odd-dims": odd_dims,
    "odd-circle": circle,
    "odd-deep-branches": deep_branches,
    "odd-deep-bytes": deep_bytes,
    "odd-many-nodes": many_nodes,
    "odd-many-initializers": many_initializers,
    "odd-version": other_version,
    "odd-empty": empty,
    "odd-names": evil_names,
    "odd-bytes": bytes_that_are_no_text,
}
