"""What a graph holds in memory at once while it runs, planned from its shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import onnx
import onnx_ir as ir

from tbft_artifacts.plan import GraphMemory
from tbft_export.graph.execution_order import execution_order

# The batches for which a graph is planned; in between and beyond, memory grows in a straight line.
PLANNED_BATCHES = (1, 2, 4, 8, 16, 32)
# What a small board's last cache holds of one tensor while the next one is written.
CACHE_BYTES = 2 << 20
# Inference reads the numbers of tensors that are shapes or axes, and those are far smaller than this.
LARGEST_SHAPE_TENSOR = 64
# Results of these are their input under another shape.
_VIEWS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"})


def plan_memory(model: ir.Model, rows: Mapping[str, int] | None = None) -> GraphMemory:
    """Bytes of `model`'s live values: the most at any node, as `fixed_bytes + images * image_bytes`.

    Nodes are computed in ONNX Runtime's order. A value lives from the node that computes it to its last reader;
    graph inputs and outputs live throughout, weights are not counted. No value is overwritten while it is still
    read, and none is computed in place, so a runtime that does so needs less; scratch space of kernels comes on
    top.

    `rows` are symbolic dimensions that are no batch, with the most that they can be: so much is planned for.
    """
    proto = _without_weights(model)
    order = _Order.of(proto)
    peaks = {images: _peak(order, _sizes(proto, images, rows or {})) for images in PLANNED_BATCHES}
    # A size that inference does not know may be that of a single image beside it, and of no others.
    if peaks[1] > peaks[2]:
        del peaks[1]
    first, last = min(peaks), max(peaks)
    image_bytes = -(-(peaks[last] - peaks[first]) // (last - first))
    fixed = max(0, *(peak - images * image_bytes for images, peak in peaks.items()))
    return GraphMemory(fixed_bytes=fixed, image_bytes=image_bytes)


def micro_batch(image_bytes: int, batch_size: int) -> int:
    """The largest power of two of images whose tiles stay in a cache, at most `batch_size`.

    `image_bytes` is the largest activation of one image; Winograd's tiles take four times as much.
    """
    fitting = max(1, CACHE_BYTES // (4 * max(1, image_bytes)))
    return min(batch_size, 1 << (fitting.bit_length() - 1))


def peak_bytes(model: onnx.ModelProto, images: int, rows: Mapping[str, int] | None = None) -> int:
    """The most bytes that are live at once for a batch of `images`, with other dimensions as `rows` says."""
    return _peak(_Order.of(model), _sizes(model, images, rows or {}))


@dataclass(frozen=True)
class _Order:
    """What of a graph is the same for every batch.

    made: per node, in the order in which they are computed, the values whose memory is new.
    last_use: the number of the last node that reads a value, or a view of it.
    kept: what lives throughout; `inputs` of these from the beginning.
    """

    made: tuple[tuple[str, ...], ...]
    last_use: Mapping[str, int]
    kept: frozenset[str]
    inputs: tuple[str, ...]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> _Order:
        stored = list(model.graph.node)
        owner = _owners(stored)
        nodes = [stored[index] for index in execution_order(stored)]
        inputs = tuple(value.name for value in model.graph.input)
        return cls(
            made=tuple(tuple(name for name in node.output if name and owner.get(name, name) == name) for node in nodes),
            last_use={owner.get(name, name): index for index, node in enumerate(nodes) for name in node.input},
            kept=frozenset({owner.get(value.name, value.name) for value in model.graph.output}.union(inputs)),
            inputs=inputs,
        )


def _peak(order: _Order, sizes: Mapping[str, int]) -> int:
    live = sum(sizes.get(name, 0) for name in order.inputs)
    peak = live
    dying = [0] * len(order.made)
    for name, index in order.last_use.items():
        if name not in order.kept:
            dying[index] += sizes.get(name, 0)
    for made, dies in zip(order.made, dying, strict=True):
        live += sum(sizes.get(name, 0) for name in made)
        peak = max(peak, live)
        # What nobody reads is gone at once, too.
        live -= dies + sum(sizes.get(n, 0) for n in made if n not in order.last_use and n not in order.kept)
    return peak


def _without_weights(model: ir.Model) -> onnx.ModelProto:
    """`model` with the shapes of large tensors only: planning copies it for every batch."""
    tensors = {value: value.const_value for value in model.graph.initializers.values()}
    large = [value for value, tensor in tensors.items() if tensor is not None and tensor.size > LARGEST_SHAPE_TENSOR]
    try:
        for value in large:
            value.const_value = _shape_alone(tensors[value])
        return ir.to_proto(model)
    finally:
        for value in large:
            value.const_value = tensors[value]


def _shape_alone(tensor: ir.TensorProtocol | None) -> ir.ExternalTensor:
    """As `tensor`, with its values nowhere."""
    assert tensor is not None
    return ir.ExternalTensor("", None, None, tensor.dtype, shape=ir.Shape(tensor.shape.numpy()), name=tensor.name or "")


def _owners(nodes: Sequence[onnx.NodeProto]) -> Mapping[str, str]:
    """The value whose memory a view shares."""
    owner: dict[str, str] = {}
    for node in nodes:
        if node.op_type in _VIEWS:
            owner[node.output[0]] = owner.get(node.input[0], node.input[0])
    return owner


def _sizes(model: onnx.ModelProto, images: int, rows: Mapping[str, int]) -> dict[str, int]:
    """Bytes of every value that is no constant."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    constants = {tensor.name for tensor in fixed.graph.initializer}
    for value in [*fixed.graph.input, *fixed.graph.output]:
        for dim in value.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value"):
                dim.dim_value = rows.get(dim.dim_param, images)
    del fixed.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    sizes = {}
    for value in [*inferred.input, *inferred.value_info, *inferred.output]:
        tensor = value.type.tensor_type
        if value.name in constants or not tensor.HasField("shape"):
            continue
        shape = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
        if None not in shape:
            sizes[value.name] = math.prod(size or 0 for size in shape) * _width(tensor.elem_type)
    for node in inferred.node:
        # A shape that inference cannot follow: no smaller than what it is made of.
        unknown = [name for name in node.output if name not in sizes and name not in constants]
        if unknown:
            sizes |= dict.fromkeys(unknown, max((sizes.get(name, 0) for name in node.input), default=0))
    return sizes


@cache
def _width(kind: int) -> int:
    """Bytes of an element."""
    return int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize)
