"""Ten train steps of a plan, as a device makes them: `python -m benchmarks.zoo.steps BUNDLE PLAN BATCHES OUT`.

Device environment. Prints the milliseconds of each step, a JSON list.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from tbft_artifacts.bundle import open_bundle
from tbft_runtime import TrainOptions
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.run.resolve import resolve
from tbft_runtime.training.step import TrainStep, initial_state


def main(bundle_path: str, plan_id: str, batches: str, out: str) -> None:
    """Train on each batch once; write what moved."""
    bundle = open_bundle(Path(bundle_path))
    plan = bundle.plan(plan_id)
    arrays = np.load(batches, allow_pickle=False)
    images, labels = arrays["images"], arrays["labels"]
    options = TrainOptions(
        Path(), Path(), plan=plan_id, lr=plan.optimizer.lr, batch_size=len(labels[0]), threads=1, momentum=0.0
    )
    settings = resolve(options, plan, bundle)
    base = load_file(bundle.weights)
    step = TrainStep(bundle, plan, settings, base, load_prefix(bundle, plan, settings, base))
    state = initial_state(bundle, plan, settings, base)
    times = []
    for batch, answers in zip(images, labels, strict=True):
        begin = time.perf_counter()
        step.run(state, batch, answers)
        times.append(1000 * (time.perf_counter() - begin))
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in state.current.items()}, out)
    sys.stdout.write(json.dumps(times) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
