"""One network of the zoo: exported by the real command, trained on a device's ONNX Runtime, held against PyTorch."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from benchmarks.zoo.agreement import compare
from benchmarks.zoo.factories import images, make
from benchmarks.zoo.networks import CLASSES, Network
from benchmarks.zoo.results import PlanTried, Tried
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.plan import Plan

STEPS = 10
BATCH = 8
_SEED = 1
_LONGEST = 900  # seconds
_TRIED = ("output", "feature", "full")


def try_network(network: Network, device_python: Path, folder: Path) -> Tried:
    """Export every plan that can be made, and train the head, the last stage and the whole for ten steps."""
    module = make(network)
    tried = Tried(network.name, network.shape, sum(each.numel() for each in module.parameters()))
    out = folder / "bundle"
    begin = time.perf_counter()
    run = subprocess.Popen(_command(network, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    try:
        answer, words = run.communicate(timeout=_LONGEST)
    except subprocess.TimeoutExpired:
        run.kill()
        return Tried(tried.name, tried.shape, tried.parameters, refused=f"not done in {_LONGEST} s")
    seconds = time.perf_counter() - begin
    if run.returncode:
        refused = next((line for line in words.splitlines() if line.startswith("error: ")), words[-300:])
        return Tried(
            tried.name,
            tried.shape,
            tried.parameters,
            seconds,
            refused=refused.removeprefix("error: ").replace(f"{out}", "bundle"),
        )
    said = json.loads(answer)
    usage = json.loads((folder / "usage.json").read_text(encoding="utf-8"))
    bundle = open_bundle(out)
    batches = folder / "batches.npz"
    rng = np.random.default_rng(_SEED)
    shown = images(network, STEPS * BATCH, _SEED).reshape(STEPS, BATCH, *network.shape)
    labels = rng.integers(0, CLASSES, (STEPS, BATCH))
    np.savez(batches, images=shown, labels=labels)
    plans = []
    for plan in _chosen(bundle):
        moved = folder / "moved.safetensors"
        times = _train(device_python, out, plan, batches, moved)
        agreement = compare(module, plan, shown, labels, load_file(moved))
        whole = plan.full_cost.parameter_bytes if plan.full_cost else 4 * tried.parameters
        plans.append(
            PlanTried(
                plan.id,
                plan.drift or "",
                plan.cost.parameter_bytes / whole,
                statistics.median(times),
                agreement.device,
                agreement.pytorch,
                agreement.of_bound,
            )
        )
    return Tried(
        tried.name,
        tried.shape,
        tried.parameters,
        seconds,
        usage["processor_seconds"],
        usage["peak_bytes"],
        sum(entry.bytes for entry in bundle.manifest.files.values()),
        plans=tuple(plans),
        left_out={each["plan"]: each["reason"] for each in said.get("left_out", [])},
    )


def _command(network: Network, out: Path) -> list[str]:
    channels, height, width = network.shape
    model = ["--model", f"benchmarks.zoo.factories:{network.name}", "--channels", str(channels)]
    size = ["--image-size", f"{height}x{width}" if height != width else str(height)]
    what = ["--drift", "all", "--keep-going", "--classes", str(CLASSES), "--json", "--out", str(out)]
    return [sys.executable, "-m", "benchmarks.zoo.measured", str(out.parent / "usage.json"), *model, *size, *what]


def _chosen(bundle: Bundle) -> Iterator[Plan]:
    """Of each drift the plan nearest to the output."""
    for drift in _TRIED:
        plan = bundle.manifest.plan_for(drift)
        if plan is not None:
            yield plan


def _train(python: Path, bundle: Path, plan: Plan, batches: Path, moved: Path) -> list[float]:
    command = [python, "-m", "benchmarks.zoo.steps", bundle, plan.id, batches, moved]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    # What the host's environment adds for the networks of others is none of a device's.
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, encoding="utf-8", env=environment)
    times: list[float] = json.loads(done.stdout)
    return times
