"""Models that a stranger may send, each of which ONNX Runtime alone would load and run.

By what they want: content of other files of the device, a process that never ends or that dies, and all its memory.
"""

from __future__ import annotations

import itertools

import numpy as np

from support.onnx_bytes import Raw, Subgraph
from support.onnx_writer import classifier, external, graph, node, tensor, value
from tbft_runtime.graphs.protobuf import bytes_field, number_field

# What they read lies in the working directory.
SECRET = "secret.bin"
_SUM = node("ReduceSum", "much", "odd", keepdims=0)
_BIG = 1 << 30


def _body(nodes: list[bytes], *tensors: bytes, outputs: list[bytes]) -> bytes:
    return graph(nodes, tensors, [], outputs)


def _condition() -> list[bytes]:
    return [
        node("ReduceMax", "brightness", "brightest", keepdims=0),
        node("Greater", "brightest zero", "bright"),
    ]


def _with_branch(*tensors: bytes, read: str = "leak") -> bytes:
    branch = _body([node("Identity", read, "out")], *tensors, outputs=[value("out", ())])
    choice = node("If", "bright", "odd", then_branch=Subgraph(branch), else_branch=Subgraph(branch))
    return classifier([*_condition(), choice], {"zero": np.float32(0)})


def _loop(body: list[bytes], *tensors: bytes, trips: int) -> bytes:
    inside = graph(
        [node("Identity", "go", "go_on"), *body],
        tensors,
        [value("turn", (), 7), value("go", (), 9), value("before", ())],
        [value("go_on", (), 9), value("after", ())],
    )
    choice = node("Loop", "trips bright zero", "odd", body=Subgraph(inside))
    return classifier([*_condition(), choice], {"zero": np.float32(0), "trips": np.int64(trips)})


def _function(nodes: list[bytes], name: str = "Odd") -> bytes:
    parts = bytes_field(1, name.encode()) + bytes_field(5, b"odd_out")
    parts += b"".join(bytes_field(7, each) for each in nodes)
    return bytes_field(25, parts + bytes_field(9, number_field(2, 17)) + bytes_field(10, b"own"))


def _two_graphs() -> bytes:
    """Parsers merge both: the second one's initializers are added."""
    first = classifier([node("Identity", "leak", "odd")])
    second = bytes_field(7, bytes_field(5, external("leak", (), SECRET)))
    return first + second


def _billion_laughs() -> bytes:
    """30 functions, each of which calls the one before twice: 2**29 nodes."""
    bodies = [_function([node("Constant", "", "odd_out", value_float=0.0)], "F0")]
    for number in range(1, 30):
        calls = [node(f"F{number - 1}", "", f"part{index}", "own") for index in range(2)]
        bodies.append(_function([*calls, node("Add", "part0 part1", "odd_out")], f"F{number}"))
    return classifier([node("F29", "", "odd", "own")], opsets=[("", 17), ("own", 1)], more=b"".join(bodies))


def _deep() -> bytes:
    """Branches in branches, 60 deep."""
    inner = _body([node("Identity", "zero", "out")], outputs=[value("out", ())])
    for _ in range(60):
        choice = node("If", "bright", "out", then_branch=Subgraph(inner), else_branch=Subgraph(inner))
        inner = _body([choice], outputs=[value("out", ())])
        if len(inner) > 1 << 20:
            break
    choice = node("If", "bright", "odd", then_branch=Subgraph(inner), else_branch=Subgraph(inner))
    return classifier([*_condition(), choice], {"zero": np.float32(0)})


def _nested_types() -> bytes:
    """A type of a value: sequences of sequences, 10,000 deep."""
    inner = bytes_field(1, number_field(1, 1))
    for _ in range(10_000):
        inner = bytes_field(4, bytes_field(1, inner))
    return classifier(more_of_graph=bytes_field(11, bytes_field(1, b"odd") + bytes_field(2, inner)))


def _doubled() -> bytes:
    joins = [node("Concat", " ".join([f"join{step}"] * 8), f"join{step + 1}", axis=0) for step in range(10)]
    return classifier([*joins, node("ReduceSum", "join10", "odd", keepdims=0)], {"join0": np.ones(8, np.float32)})


def _hoard() -> bytes:
    """Each of 200 constants is within any bound for one, and all are kept."""
    made = itertools.chain.from_iterable(
        (node("Expand", f"seed{step} shape", f"heap{step}"), node("Add", f"heap{step} brightest", f"sum{step}"))
        for step in range(200)
    )
    tails = [node("ReduceMax", f"sum{step}", f"top{step}", keepdims=0) for step in range(200)]
    total = node("Sum", " ".join(f"top{step}" for step in range(200)), "odd")
    seeds = {f"seed{step}": np.float32(step) for step in range(200)}
    first = node("ReduceMax", "brightness", "brightest", keepdims=0)
    return classifier([first, *made, *tails, total], {**seeds, "shape": np.array([1 << 23])})


def _divided(operator: str, numbers: np.ndarray, by: object, **attributes: int) -> bytes:
    return classifier(
        [
            node("ReduceMax", "brightness", "brightest", keepdims=0),
            node("Cast", "brightest", "rounded", to=6 if numbers.dtype == np.int32 else 7),
            node("Mul", "rounded none", "nothing"),
            node("Add", "nothing least", "number"),
            node(operator, "number by", "quotient", **attributes),
            node("Cast", "quotient", "odd", to=1),
        ],
        {"none": np.zeros((), numbers.dtype), "least": numbers, "by": np.asarray(by, numbers.dtype)},
    )


_LEAST = {32: np.int32(-(2**31)), 64: np.int64(-(2**63))}
_PIXELS = node("ReduceMean", "large", "odd", keepdims=0)

LEAKS = {
    "constant": classifier([node("Constant", "", "odd", value=external("leak", (), SECRET))]),
    "constant-list": classifier(
        [node("Constant", "", "odd", value=Raw(bytes_field(10, external("leak", (), SECRET)) + number_field(20, 9)))]
    ),
    "initializer": classifier([node("Identity", "leak", "odd")], tensors=[external("leak", (), SECRET)]),
    "here": classifier([node("Identity", "leak", "odd")], tensors=[external("leak", (), f"./{SECRET}")]),
    "address": classifier([node("Identity", "leak", "odd")], tensors=[external("leak", (), "*/_ORT_MEM_ADDR_/*")]),
    "branch": _with_branch(external("leak", (), SECRET)),
    "loop": _loop([node("Add", "before leak", "after")], external("leak", (), SECRET), trips=1),
    "function": classifier(
        [node("Odd", "", "odd", "own")],
        opsets=[("", 17), ("own", 1)],
        more=_function([node("Constant", "", "odd_out", value=external("leak", (), SECRET))]),
    ),
    "sparse": classifier(
        [_SUM],
        more_of_graph=bytes_field(
            15,
            bytes_field(1, external("much", (4,), SECRET))
            + bytes_field(2, tensor("at", np.arange(4)))
            + number_field(3, 16),
        ),
    ),
    "second-graph": _two_graphs(),
    "fill": classifier(
        [node("ConstantOfShape", "shape", "much", value=external("leak", (1,), SECRET)), _SUM],
        {"shape": np.array([4])},
    ),
    "training": classifier([], more=bytes_field(20, bytes_field(1, graph([], [external("leak", (), SECRET)])))),
}

STOPS = {
    "loop-on-input": _loop([node("Add", "before zero", "after")], trips=2**62),
    "functions": _billion_laughs(),
    "deep": _deep(),
    "nested-types": _nested_types(),
    "million-nodes": classifier(more_of_graph=bytes_field(1, node("Neg", "brightness", "step")) * 1_000_000),
    "div-32": _divided("Div", _LEAST[32], -1),
    "div-64": _divided("Div", _LEAST[64], -1),
    "div-0": _divided("Div", _LEAST[64], 0),
    "div-computed": classifier(
        [
            node("Cast", "brightness", "number", to=7),
            node("Sub", "number number", "zeros"),
            node("Div", "number zeros", "quotients"),
            node("Cast", "quotients", "much", to=1),
            _SUM,
        ]
    ),
    "mod-32": _divided("Mod", _LEAST[32], -1),
    "mod-64": _divided("Mod", _LEAST[64], -1),
    "no-operand": classifier([node("Max", "brightness -", "much"), _SUM]),
    "no-bias": classifier(
        [node("LayerNormalization", "images scale -", "large"), _PIXELS], {"scale": np.ones(8, np.float32)}
    ),
    "no-depth": classifier(
        [node("OneHot", "places depth values", "much"), _SUM],
        {"places": np.arange(4), "depth": np.ones(0, np.int64), "values": np.array([0, 1], np.float32)},
    ),
    "before-first": classifier(
        [node("GatherND", "images places", "much", batch_dims=-(2**31)), _SUM], {"places": np.array([-1])}
    ),
    "own-domain": classifier(
        [node("ReduceMax", "brightness", "top", keepdims=0), node("QuickGelu", "top", "odd", "com.microsoft")],
        opsets=[("", 17), ("com.microsoft", 1)],
    ),
    "unsaid-domain": classifier(
        [node("ReduceMax", "brightness", "top", keepdims=0), node("QuickGelu", "top", "odd", "com.microsoft")]
    ),
    "two-opsets": classifier(opsets=[("", 17), ("", 11)]),
    "alias-opset": classifier(opsets=[("", 17), ("ai.onnx", 11)]),
    "no-opset": classifier(opsets=[]),
    "random": classifier([node("RandomNormal", "", "much", shape=[4]), _SUM]),
    "sequence": classifier(
        [
            node("SequenceConstruct", "brightness brightness", "both"),
            node("ConcatFromSequence", "both", "much", axis=0),
            _SUM,
        ]
    ),
}

MEMORY = {
    "expand": classifier([node("Expand", "seed shape", "much"), _SUM], {"seed": np.float32(1), "shape": [_BIG]}),
    "expand-images": classifier(
        [node("Unsqueeze", "brightness one", "tall"), node("Expand", "tall shape", "much"), _SUM],
        {"shape": np.array([1, 1 << 27])},
    ),
    "constant-of-shape": classifier([node("ConstantOfShape", "shape", "much"), _SUM], {"shape": np.array([_BIG])}),
    "computed-shape": classifier(
        [node("Cast", "size", "shape", to=7), node("ConstantOfShape", "shape", "much"), _SUM],
        {"size": np.array([1e9], np.float32)},
    ),
    "shape-of-images": classifier(
        [
            node("ReduceMax", "brightness", "top", keepdims=1),
            node("Mul", "top none", "nothing"),
            node("Add", "nothing size", "sizes"),
            node("Cast", "sizes", "shape", to=7),
            node("ConstantOfShape", "shape", "much"),
            _SUM,
        ],
        {"none": np.zeros(1, np.float32), "size": np.array([1e9], np.float32)},
    ),
    "tile": classifier([node("Tile", "images times", "large"), _PIXELS], {"times": np.array([1, 1, 1 << 12, 1 << 10])}),
    "pad": classifier(
        [node("Pad", "images amounts", "large"), _PIXELS], {"amounts": np.array([0, 0, 9000, 0, 0, 0, 0, 9000])}
    ),
    "resize": classifier(
        [node("Resize", "images - - sizes", "large"), _PIXELS], {"sizes": np.array([12, 3, 6000, 6000])}
    ),
    "range": classifier(
        [node("Range", "begin end by", "much"), _SUM],
        {"begin": np.float32(0), "end": np.float32(1e9), "by": np.float32(1)},
    ),
    "one-hot": classifier(
        [node("OneHot", "places depth values", "much"), _SUM],
        {"places": np.arange(64), "depth": np.array([1 << 24]), "values": np.array([0, 1], np.float32)},
    ),
    "product": classifier(
        [node("MatMul", "tall wide", "much"), _SUM],
        {"tall": np.ones((1 << 15, 1), np.float32), "wide": np.ones((1, 1 << 15), np.float32)},
    ),
    "broadcast": classifier(
        [node("Add", "tall wide", "much"), _SUM],
        {"tall": np.ones((1 << 15, 1), np.float32), "wide": np.ones((1, 1 << 15), np.float32)},
    ),
    "gather": classifier(
        [node("Gather", "wide places", "much", axis=0), _SUM],
        {"wide": np.ones((1, 1 << 15), np.float32), "places": np.zeros(1 << 15, np.int64)},
    ),
    "concat": _doubled(),
    "hoard": _hoard(),
    "conv-pads": classifier(
        [node("Conv", "images filter", "large", pads=[9000, 9000, 9000, 9000]), _PIXELS],
        {"filter": np.ones((1, 3, 1, 1), np.float32)},
    ),
    "conv-transpose": classifier(
        [node("ConvTranspose", "images filter", "large", strides=[3000, 3000]), _PIXELS],
        {"filter": np.ones((3, 1, 1, 1), np.float32)},
    ),
    "empty-tensor": classifier(
        tensors=[number_field(1, _BIG) + number_field(1, 4) + number_field(2, 1) + bytes_field(8, b"huge")]
    ),
}

GROUPS = {"leak": LEAKS, "stop": STOPS, "memory": MEMORY}
EVIL = {f"{kind}-{name}": content for kind, group in GROUPS.items() for name, content in group.items()}
