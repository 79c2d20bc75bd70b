"""A few train steps of PyTorch on emulated ARM: `… JOB`, the path of a `TrainJob` as JSON. Prints the losses."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# A second thread, told to rest only later, would spin beside the first and be counted.
os.environ["OMP_NUM_THREADS"] = "1"

import msgspec
import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from benchmarks.arm.job import TrainJob, mark
from benchmarks.arm.networks import network


def main() -> None:
    """Train as a user would write it: what is frozen requires no gradient."""
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=TrainJob)
    torch.set_num_threads(1)
    module = network(job.network, job.image_size)
    module.load_state_dict({**module.state_dict(), **load_file(job.weights)})
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in job.trained)
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    assert len(trained) == len(job.trained)
    for name, layer in module.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.train(f"{name}.running_mean" in job.batch_statistics)
    with np.load(job.batch) as batch:
        images, labels = (torch.from_numpy(batch[name]) for name in ("images", "labels"))
    if job.channels_last:
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = images.to(memory_format=torch.channels_last)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(trained, job.lr, job.momentum)
    losses = []
    for _ in range(job.steps):
        mark(job.marks[0])
        optimizer.zero_grad()
        loss = criterion(module(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.item()))
        mark(job.marks[1])
    sys.stdout.write(msgspec.json.encode(losses).decode() + "\n")


if __name__ == "__main__":
    main()
