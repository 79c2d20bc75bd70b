"""ONNX Runtime Training's own artifacts in its own API. Host environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import onnxruntime
from onnxruntime.training.api import CheckpointState, Module, Optimizer

from benchmarks import inputs
from benchmarks.protocol import Load, Work
from benchmarks.workers.serve import serve


class OrtTraining:
    """A `benchmarks.workers.serve.Contestant`. Its SGD has no momentum, so it does a little less."""

    def load(self, job: Load) -> Mapping[Work, Callable[[], float]]:
        folder = Path(job.subject.artifacts)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = job.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        state = CheckpointState.load_checkpoint(str(folder / "checkpoint"))
        module = Module(str(folder / "training_model.onnx"), state, session_options=options)
        optimizer = Optimizer(str(folder / "optimizer_model.onnx"), module)
        optimizer.set_learning_rate(inputs.LR)
        module.train()
        images, labels = inputs.batch(job.batch_size, job.subject.image_size, job.subject.classes)

        def step(count: int) -> float:
            loss = float(module(images[:count], labels[:count])[0])
            optimizer.step()
            module.lazy_reset_grad()
            return loss

        return {"step": lambda: step(job.batch_size), "check": lambda: step(job.check_size)}


if __name__ == "__main__":
    serve(OrtTraining(), {"onnxruntime-training-cpu": onnxruntime.__version__})
