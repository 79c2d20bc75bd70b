"""Train the network of the sensor demo: `python demo/train_sensor.py OUT`, in under a minute.

OUT gets `network.pth`, and `source.npz`, the windows that it was trained on.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import torch
from sensor_network import MotionNet
from sensor_windows import CLASSES, Windows, windows
from torch.nn.functional import cross_entropy

EPOCHS, BATCH_SIZE, PEAK_LR = 6, 32, 0.01


def trained(data: Windows, seed: int = 0) -> MotionNet:
    """The network after some epochs with Adam, on windows of which every channel has mean 0 and deviation 1."""
    torch.manual_seed(seed)
    model = MotionNet()
    values = data.values
    center, spread = values.mean(axis=(0, 2), keepdims=True), values.std(axis=(0, 2), keepdims=True)
    inputs, labels = torch.from_numpy((values - center) / spread), torch.from_numpy(data.labels)
    optimizer = torch.optim.Adam(model.parameters(), PEAK_LR)
    steps = EPOCHS * (len(labels) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LR, total_steps=steps)
    model.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(labels))[: steps // EPOCHS * BATCH_SIZE].split(BATCH_SIZE):
            loss = cross_entropy(model(inputs[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return model.eval()


def main() -> None:
    """Train, and write the weights and the windows."""
    parser = argparse.ArgumentParser(description="Train the network of the sensor demo.")
    parser.add_argument("out", type=Path, help="folder to write to")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    data = windows(count=20, people=15, rng=np.random.default_rng(0))
    np.savez(out / "source.npz", windows=data.values, labels=data.labels, classes=np.array(CLASSES))
    torch.save(trained(data).state_dict(), out / "network.pth")
    sys.stderr.write(f"trained on {len(data.labels):,} windows\n")


if __name__ == "__main__":
    main()
