"""A few train steps of PyTorch on emulated ARM: `… '<Load as JSON>' STEPS BEFORE AFTER`.

BEFORE and AFTER are process ids that cannot exist; asking for them marks a step for the emulator, as
`tbft_runtime.measure` does.
"""

from __future__ import annotations

import contextlib
import os
import sys

# A second thread, told to rest only later, would spin beside the first and be counted.
os.environ["OMP_NUM_THREADS"] = "1"

import msgspec

from benchmarks.protocol import Load
from benchmarks.workers.pytorch import PyTorch


def main() -> None:
    """Train, and print the losses."""
    steps, before, after = map(int, sys.argv[2:])
    step = PyTorch().load(msgspec.json.decode(sys.argv[1], type=Load))["step"]
    losses = []
    for _ in range(steps):
        _mark(before)
        losses.append(step())
        _mark(after)
    sys.stdout.write(msgspec.json.encode(losses).decode() + "\n")


def _mark(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.getpgid(process)


if __name__ == "__main__":
    main()
