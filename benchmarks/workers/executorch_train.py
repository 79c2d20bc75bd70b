"""ExecuTorch's training module, with its portable kernels. An environment of its own, which has torch, too.

The program is made in another process, so that the compiler is no part of the memory: `… compile '<Load>' SIZE FILE`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np
import torch

from benchmarks import inputs
from benchmarks.protocol import Load, Work
from benchmarks.workers.serve import serve

# Seconds of a step that is still repeated as often as those of others.
SLOWEST = 5.0


def compile_step(job: Load, count: int, path: Path) -> None:
    """Loss and gradients of `count` images as a program in a file."""
    from executorch.exir import to_edge
    from torch import nn
    from torch.export import export
    from torch.export.experimental import _export_forward_backward

    from benchmarks.workers.pytorch import Training

    class WithLoss(nn.Module):
        def __init__(self, training: Training) -> None:
            super().__init__()
            self.network = training.network
            self.loss = training.loss

        def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            loss: torch.Tensor = self.loss(self.network(images), labels)
            return loss

    images, labels = map(torch.from_numpy, inputs.batch(count, job.subject.image_size, job.subject.classes))
    exported = export(WithLoss(Training(job.subject, job.threads)), (images, labels), strict=True)
    path.write_bytes(to_edge(_export_forward_backward(exported)).to_executorch().buffer)


class ExecuTorch:
    """A `benchmarks.workers.serve.Contestant`."""

    def load(self, job: Load) -> Mapping[Work, Callable[[], float]]:
        from executorch.extension.training import _load_for_executorch_for_training, get_sgd_optimizer

        torch.set_num_threads(job.threads)
        arrays = inputs.batch(job.batch_size, job.subject.image_size, job.subject.classes)

        def stepper(count: int) -> Callable[[], float]:
            with tempfile.TemporaryDirectory() as folder:
                program = Path(folder) / "step.pte"
                _compile(job, count, program)
                module = _load_for_executorch_for_training(str(program))
                images, labels = (torch.from_numpy(array[:count].copy()) for array in arrays)
                # The parameters are known once it has run.
                started = time.monotonic()
                module.forward_backward("forward", (images, labels))
                seconds = time.monotonic() - started
            if seconds > SLOWEST:
                raise RuntimeError(f"a step takes {seconds:.0f} s, too long to be repeated")
            optimizer = get_sgd_optimizer(module.named_parameters(), inputs.LR, inputs.MOMENTUM)

            def step() -> float:
                (loss,) = module.forward_backward("forward", (images, labels))
                optimizer.step(module.named_gradients())
                return float(loss)

            return step

        whole = stepper(job.batch_size)
        return {"step": whole, "check": whole if job.check_size == job.batch_size else stepper(job.check_size)}


def _compile(job: Load, count: int, path: Path) -> None:
    words = ["compile", msgspec.json.encode(job).decode(), str(count), str(path)]
    command = [sys.executable, "-m", "benchmarks.workers.executorch_train", *words]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        raise RuntimeError(_reason(done.stderr))


def _reason(text: str) -> str:
    """What a traceback ends with, without the advice below."""
    lines = text.strip().splitlines()
    for number, line in reversed(list(enumerate(lines))):
        if re.match(r"[\w.]+(Error|Exception):", line):
            reason = line.partition(":")[2].strip() or "".join(lines[number + 1 : number + 2])
            return reason.partition(" (http")[0]
    return lines[-1] if lines else "no message"


if __name__ == "__main__":
    if sys.argv[1:2] == ["compile"]:
        compile_step(msgspec.json.decode(sys.argv[2], type=Load), int(sys.argv[3]), Path(sys.argv[4]))
    else:
        from importlib.metadata import version

        serve(
            ExecuTorch(),
            {"executorch": version("executorch"), "torch": str(torch.__version__), "numpy": np.__version__},
        )
