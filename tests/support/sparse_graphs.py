"""Run the graphs of plans whose channels a device chooses, as they were written. Host only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from torch import nn

from support.every_convolution import CLASSES, IMAGE_SIZE
from support.onnx_models import ERRORS_ONLY
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan
from tbft_artifacts.sparse import SparseLayer

Arrays = dict[str, np.ndarray]

# Of each tensor's largest value: float32 through a dozen layers. Scores are squares of sums that partly cancel.
TOLERANCE = 1e-4
IMAGES = 5


def batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((IMAGES, 3, IMAGE_SIZE, IMAGE_SIZE), np.float32), rng.integers(0, CLASSES, IMAGES)


def load(bundle: Bundle, graph: str, *, profile: Path | None = None) -> ort.InferenceSession:
    """A graph as it was written, with its weights."""
    model = onnx.load(bundle.path(graph), load_external_data=False)
    onnx.load_external_data_for_model(model, str(bundle.folder))
    options = ort.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    if profile is not None:
        # As written: fused operators have other names, and constants that are folded are not executed.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def outputs(loaded: ort.InferenceSession, feeds: Mapping[str, np.ndarray]) -> Arrays:
    names = [output.name for output in loaded.get_outputs()]
    return dict(zip(names, loaded.run(names, dict(feeds)), strict=True))


def boundary(bundle: Bundle, plan: Plan, images: np.ndarray) -> np.ndarray:
    if not plan.prefix_forms:
        return images
    found: np.ndarray = outputs(load(bundle, plan.prefix), {"images": images})[plan.boundary.name]
    return found


def feeds(bundle: Bundle, plan: Plan, net: nn.Module, channels: Mapping[str, list[int]], seed: int) -> Arrays:
    """Of a train step in whose course the chosen rows of `net` have moved."""
    images, labels = batch(seed)
    tensors = dict(net.named_parameters())
    found = {plan.boundary.name: boundary(bundle, plan, images), "labels": labels}
    found |= {parameter.name: tensors[parameter.name].detach().numpy() for parameter in plan.parameters}
    for layer in layers_of(plan):
        rows = np.array(channels.get(layer.weight, []), np.int64)
        found |= {layer.channels: rows, layer.rows: tensors[layer.weight].detach().numpy()[rows]}
    return found


def layers_of(plan: Plan) -> tuple[SparseLayer, ...]:
    assert plan.sparse is not None
    return plan.sparse.layers
