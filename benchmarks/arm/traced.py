"""In the guest: one train step after one that warms up, traced; prints every kernel as JSON.

`python traced.py BUNDLE BATCH_SIZE FORM`, where the emulator runs the guest's clock by instructions.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import msgspec

from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.plan import ConvolutionForm
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.measure import random_batch
from tbft_runtime.profiling.layers import layer_of
from tbft_runtime.profiling.run import TracedSteps
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve
from tbft_runtime.training.step import initial_state


def main(folder: str, batch_size: int, form: ConvolutionForm) -> None:
    """Print (operator, layer, node, instructions) of each kernel."""
    bundle = open_bundle(Path(folder))
    plan = bundle.plan()
    settings = resolve(TrainOptions(Path(), Path(), batch_size=batch_size, threads=1), plan, bundle)
    execution = msgspec.structs.replace(settings.execution, gradient_form=form)
    settings = msgspec.structs.replace(settings, execution=execution)
    images, labels = random_batch(bundle, batch_size, seed=0)
    base = load_weights(bundle)
    state = initial_state(bundle, plan, settings, base)
    with tempfile.TemporaryDirectory() as traces:
        traced = TracedSteps(bundle, plan, settings, base, state, images, labels, Path(traces))
        found = traced.run(1, 1)
    rows = [
        (kernel.operator, layer_of(kernel.node, kernel.operator), kernel.node, kernel.microseconds)
        for trace in found.values()
        for kernel in trace.kernels
    ]
    sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])  # type: ignore[arg-type]
