"""The machine's limit: a matrix product in the same ONNX Runtime. Device environment; its argument is the graph."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from benchmarks.protocol import Load, Work
from benchmarks.workers.serve import serve
from tbft_runtime.graphs.sessions import load_graph
from tbft_runtime.reporting.versions import runtime_versions


class Sgemm:
    """A `benchmarks.workers.serve.Contestant` whose step is one product, and whose loss is nothing."""

    def load(self, job: Load) -> Mapping[Work, Callable[[], float]]:
        graph = load_graph(Path(sys.argv[1]), {}, job.threads)
        (name,) = graph.inputs
        side = int(graph.metadata["side"])
        matrix = np.random.default_rng(0).standard_normal((side, side), np.float32)

        def product() -> float:
            graph.run({name: matrix})
            return 0.0

        return {"step": product}


if __name__ == "__main__":
    serve(Sgemm(), runtime_versions())
