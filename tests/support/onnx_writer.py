"""Small classifiers in ONNX's bytes, also ones that no library would write: names of values stand behind each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from support import onnx_bytes
from support.bundles import CLASSES, IMAGE_SIZE
from support.onnx_bytes import FLOAT, IR_VERSION, OPSET, Attribute, TensorValue, opset
from tbft_artifacts.model_card import METADATA, ModelCard
from tbft_artifacts.preprocessing import CenterCrop, Normalize, Resize, ToRgb
from tbft_runtime.graphs.protobuf import bytes_field, number_field


def tensor(name: str, values: object) -> bytes:
    """A TensorProto with its values inside."""
    return onnx_bytes.tensor(name, np.asarray(values))


def external(name: str, shape: Sequence[int], location: str) -> bytes:
    """A TensorProto of floats that lie at the beginning of another file."""
    return onnx_bytes.external(name, location, shape, offset=0, length=4 * int(np.prod(shape)))


def node(operator: str, inputs: str, outputs: str, domain: str = "", **attributes: Attribute | bytes) -> bytes:
    """A NodeProto; names of inputs and outputs stand behind each other, `-` for none; bytes are a tensor."""
    given = {name: TensorValue(value) if isinstance(value, bytes) else value for name, value in attributes.items()}
    names = ["" if name == "-" else name for name in inputs.split()]
    made = outputs.split()
    return onnx_bytes.node(operator, names, made, domain, **given) + bytes_field(3, f"node {made[0]}".encode())


def value(name: str, sides: Sequence[int | str] | None, element: int = FLOAT) -> bytes:
    """A ValueInfoProto of a tensor; without sides nothing is said of its shape."""
    return onnx_bytes.value(name, element, sides)


def graph(
    nodes: Sequence[bytes],
    tensors: Sequence[bytes] = (),
    inputs: Sequence[bytes] = (),
    outputs: Sequence[bytes] = (),
    more: bytes = b"",
) -> bytes:
    """A GraphProto; `more` are fields behind all others."""
    return onnx_bytes.graph(nodes, inputs, outputs, tensors) + more


def model(content: bytes, opsets: Sequence[tuple[str, int]] = (("", OPSET),), more: bytes = b"") -> bytes:
    """A ModelProto that says how it is fed, as `finalize` writes it."""
    card = ModelCard(
        bundle_id="0" * 64,
        plan=None,
        classes=CLASSES,
        image_size=IMAGE_SIZE,
        preprocessing=(
            ToRgb(),
            Resize(size=IMAGE_SIZE),
            CenterCrop(size=IMAGE_SIZE),
            Normalize(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        ),
    )
    said = bytes_field(1, METADATA.encode()) + bytes_field(2, msgspec.json.encode(card))
    imports = b"".join(opset(domain, version) for domain, version in opsets)
    return number_field(1, IR_VERSION) + bytes_field(7, content) + imports + bytes_field(14, said) + more


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
