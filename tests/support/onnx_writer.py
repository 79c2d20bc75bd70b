"""Serialize ONNX models, also ones that no library would write; on a device, too, which has no onnx package."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from support.bundles import CLASSES, IMAGE_SIZE
from tbft_artifacts.model_card import METADATA, ModelCard
from tbft_artifacts.preprocessing import Normalize
from tbft_runtime.graphs.protobuf import bytes_field, number_field

FLOAT, INT32, INT64, STRING = 1, 6, 7, 8
_ELEMENTS = {"float32": FLOAT, "int32": INT32, "int64": INT64}
OPSET = 17


def tensor(name: str, values: object) -> bytes:
    """A TensorProto with its values inside."""
    array = np.asarray(values)
    dims = b"".join(number_field(1, side) for side in array.shape)
    kind = number_field(2, _ELEMENTS[array.dtype.name])
    return dims + kind + bytes_field(8, name.encode()) + bytes_field(9, array.tobytes())


def external(name: str, shape: Sequence[int], location: str) -> bytes:
    """A TensorProto of floats that lie in another file."""
    entries = {"location": location, "offset": "0", "length": str(4 * int(np.prod(shape)))}
    said = b"".join(
        bytes_field(13, bytes_field(1, key.encode()) + bytes_field(2, value.encode())) for key, value in entries.items()
    )
    dims = b"".join(number_field(1, side) for side in shape)
    return dims + number_field(2, FLOAT) + bytes_field(8, name.encode()) + said + number_field(14, 1)


class Raw(bytes):
    """The content of an attribute, as it is: its fields but the name."""


def attribute(name: str, value: int | str | float | Sequence[int] | bytes) -> bytes:
    """An AttributeProto: bytes are a tensor."""
    begin = bytes_field(1, name.encode())
    if isinstance(value, Raw):
        return begin + value
    if isinstance(value, bytes):
        return begin + bytes_field(5, value) + number_field(20, 4)
    if isinstance(value, str):
        return begin + bytes_field(4, value.encode()) + number_field(20, 3)
    if isinstance(value, float):
        return begin + bytes([2 << 3 | 5]) + struct.pack("<f", value) + number_field(20, 1)
    if isinstance(value, int):
        return begin + number_field(3, value % 2**64) + number_field(20, 2)
    return begin + b"".join(number_field(8, each % 2**64) for each in value) + number_field(20, 7)


def subgraph(graph: bytes) -> Raw:
    """An attribute that is a graph."""
    return Raw(bytes_field(6, graph) + number_field(20, 5))


def node(
    operator: str,
    inputs: str,
    outputs: str,
    domain: str = "",
    **attributes: int | str | float | Sequence[int] | bytes,
) -> bytes:
    """A NodeProto; names of inputs and outputs stand behind each other, `-` for none."""
    names = b"".join(bytes_field(1, b"" if each == "-" else each.encode()) for each in inputs.split())
    names += b"".join(bytes_field(2, each.encode()) for each in outputs.split())
    about = bytes_field(3, f"node {outputs.split()[0]}".encode()) + bytes_field(4, operator.encode())
    about += b"".join(bytes_field(5, attribute(name, value)) for name, value in attributes.items())
    return names + about + (bytes_field(7, domain.encode()) if domain else b"")


def value(name: str, sides: Sequence[int | str] | None, element: int = FLOAT) -> bytes:
    """A ValueInfoProto of a tensor; without sides nothing is said of its shape."""
    kind = number_field(1, element)
    if sides is not None:
        dims = (number_field(1, side) if isinstance(side, int) else bytes_field(2, side.encode()) for side in sides)
        kind += bytes_field(2, b"".join(bytes_field(1, dim) for dim in dims))
    return bytes_field(1, name.encode()) + bytes_field(2, bytes_field(1, kind))


def graph(
    nodes: Sequence[bytes],
    tensors: Sequence[bytes] = (),
    inputs: Sequence[bytes] = (),
    outputs: Sequence[bytes] = (),
    more: bytes = b"",
) -> bytes:
    """A GraphProto; `more` are fields behind all others."""
    parts = {1: nodes, 2: [b"graph"], 5: tensors, 11: inputs, 12: outputs}
    return b"".join(bytes_field(number, each) for number, contents in parts.items() for each in contents) + more


def model(content: bytes, opsets: Sequence[tuple[str, int]] = (("", OPSET),), more: bytes = b"") -> bytes:
    """A ModelProto that says how it is fed, as `finalize` writes it."""
    card = ModelCard(
        bundle_id="0" * 64,
        plan=None,
        classes=CLASSES,
        image_size=IMAGE_SIZE,
        preprocessing=(Normalize(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),),
    )
    said = bytes_field(1, METADATA.encode()) + bytes_field(2, msgspec.json.encode(card))
    imports = b"".join(
        bytes_field(8, bytes_field(1, domain.encode()) + number_field(2, version)) for domain, version in opsets
    )
    return number_field(1, 8) + bytes_field(7, content) + imports + bytes_field(14, said) + more


IMAGES = value("images", ("n", 3, IMAGE_SIZE, IMAGE_SIZE))
LOGITS = value("logits", ("n", len(CLASSES)))


def classifier(
    nodes: Sequence[bytes] = (),
    constants: Mapping[str, object] | None = None,
    tensors: Sequence[bytes] = (),
    opsets: Sequence[tuple[str, int]] = (("", OPSET),),
    more: bytes = b"",
    more_of_graph: bytes = b"",
) -> bytes:
    """A model images (N, 3, 8, 8) -> logits (N, 4), in which `nodes` make a scalar `odd` that is added to every logit.

    They may read `brightness` (N,) of the images. Without any, `odd` is 0.
    """
    made = {"one": np.array([1]), "weight": np.ones((1, len(CLASSES)), np.float32), **(constants or {})}
    if not nodes:
        made["odd"] = np.float32(0)
    begin = [node("ReduceMean", "images", "brightness", axes=[1, 2, 3], keepdims=0)]
    end = [
        node("Unsqueeze", "brightness one", "column"),
        node("Add", "column odd", "sum"),
        node("MatMul", "sum weight", "logits"),
    ]
    everything = [*(tensor(name, array) for name, array in made.items()), *tensors]
    content = graph([*begin, *nodes, *end], everything, [IMAGES], [LOGITS], more_of_graph)
    return model(content, opsets, more)
