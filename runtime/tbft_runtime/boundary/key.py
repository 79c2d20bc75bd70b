"""What boundary activations depend on, in one hash."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan
from tbft_runtime.board.machine import processor
from tbft_runtime.data.dataset import TrainingData
from tbft_runtime.graphs.onnx_file import external_initializers
from tbft_runtime.graphs.sessions import Tensors, onnxruntime_version
from tbft_runtime.run.settings import Settings

# Changes with the layout of the rows.
_LAYOUT = "1"


def cache_key(
    bundle: Bundle, plan: Plan, settings: Settings, weights: Tensors, data: TrainingData, dtype: np.dtype
) -> str:
    """sha256 (hex) of everything that a stored activation is made of.

    The prefix's graph and every weight and running statistic that it reads; the images, which of them
    train and validate, and how they are prepared; the type and shape of a row; and what computes,
    since another version, processor or number of threads may end in other last bits.
    """
    manifest = bundle.manifest
    form = settings.execution.prefix_form
    assert form is not None
    graph = bundle.read(plan.prefix_in(form))
    digest = hashlib.sha256()
    for part in (
        _LAYOUT,
        graph,
        *_tensors(weights, external_initializers(graph)),
        data.fingerprint,
        data.train.indices.tobytes(),
        data.validation.indices.tobytes(),
        msgspec.json.encode(manifest.preprocessing),
        str(tuple(manifest.shape)),
        str(dtype),
        str(plan.boundary.shape),
        onnxruntime_version(),
        processor(),
        str(settings.threads),
    ):
        content = part.encode() if isinstance(part, str) else part
        # With its length, so that no two lists of parts look the same.
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()


def _tensors(weights: Tensors, names: list[str]) -> list[str | bytes]:
    parts: list[str | bytes] = []
    for name in names:
        value = weights[name]
        parts += [name, f"{value.dtype} {value.shape}", value.tobytes()]
    return parts
