"""What a graph holds in memory at once while it runs, planned from its shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

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
    peaks = {images: peak_bytes(proto, images, rows) for images in PLANNED_BATCHES}
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
    sizes = _sizes(model, images, rows or {})
    stored = list(model.graph.node)
    nodes = [stored[index] for index in execution_order(stored)]
    owner = _owners(stored)
    last_use = {
        owner.get(name, name): index for index, node in enumerate(nodes) for name in node.input if name in sizes
    }
    kept = {owner.get(value.name, value.name) for value in model.graph.output}
    kept |= {value.name for value in model.graph.input}
    live = sum(sizes[value.name] for value in model.graph.input if value.name in sizes)
    peak = live
    dying: dict[int, list[str]] = {}
    for name, index in last_use.items():
        if name not in kept:
            dying.setdefault(index, []).append(name)
    for index, node in enumerate(nodes):
        made = [name for name in node.output if name and owner.get(name, name) == name]
        live += sum(sizes.get(name, 0) for name in made)
        peak = max(peak, live)
        # What nobody reads is gone at once, too.
        unread = [name for name in made if name not in last_use and name not in kept]
        live -= sum(sizes.get(name, 0) for name in [*dying.get(index, []), *unread])
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
        known = tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim)
        if known and value.name not in constants:
            width = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).itemsize
            sizes[value.name] = math.prod(dim.dim_value for dim in tensor.shape.dim) * width
    for node in inferred.node:
        # A shape that inference cannot follow: no smaller than what it is made of.
        largest = max((sizes.get(name, 0) for name in node.input), default=0)
        for name in node.output:
            if name not in constants:
                sizes.setdefault(name, largest)
    return sizes
