"""The gradient of a parameter is computed before the backward pass goes on to the layers before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import compiled
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.names import LABELS
from tbft_runtime.graphs.sessions import load_graph
from tbft_runtime.profiling.trace import read_trace


@pytest.mark.parametrize("name", ["full-batch", "feature-frozen"])
def test_gradients_do_not_wait_for_the_whole_backward_pass(name: str, tmp_path: Path) -> None:
    """Else the gradients of all activations would have to be kept at once."""
    bundle = open_bundle(compiled(name))
    plan = bundle.plan()
    weights = load_file(bundle.weights)
    graph = load_graph(bundle.path(plan.gradient_in("direct")), weights, 1, trace=tmp_path / "trace")
    images = np.random.default_rng(0).standard_normal((4, *plan.boundary.shape), np.float32)
    parameters = {parameter.name: weights[parameter.name] for parameter in plan.parameters}
    graph.run({plan.boundary.name: images, LABELS: np.arange(4) % 4, **parameters})
    backward = [kernel.node for kernel in read_trace(graph.end_trace(), 0, 1).kernels if "_Grad" in kernel.node]
    complete = [
        max(index for index, node in enumerate(backward) if node.startswith(layer))
        for layer in ("/layer2/conv2/", "/layer2/conv1/")
    ]
    assert complete == sorted(complete)
