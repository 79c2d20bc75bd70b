"""Bundles for tests: made-up ones that only the manifest's checks see, and the compiled ones of the device tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from safetensors.numpy import save_file

from tbft_artifacts.bundle import file_entry
from tbft_artifacts.manifest import MANIFEST, STATISTICS, WEIGHTS, BatchNorm, Block, Manifest
from tbft_artifacts.plan import PREDICT, Boundary, Cost, GraphMemory, Int8Prefix, Optimizer, Parameter, Plan
from tbft_artifacts.preprocessing import CenterCrop, ExifTranspose, Normalize, Resize, ToRgb

# Made by make_bundles.py, where torch is.
COMPILED = Path(__file__).parents[2] / "build" / "test-bundles"
# Those with one plan.
COMPILED_NAMES = (
    "output-frozen",
    "feature-frozen",
    "feature-adamw",
    "feature-adapt",
    "feature-block",
    "feature-batch",
    "feature-int8",
    "feature-block-int8",
    "input-batch",
    "full-batch",
)
# The compiled bundle of several plans, and what they are, in order.
ALL_DRIFTS = "all-drifts"
# The same of a network without batch norms.
ALL_PLAIN = "all-plain"
# One with three exits, and its plans: several ways to train them.
EXITS = "exits"
EXIT_PLANS = ("exits-labels-frozen-sgd", "exits-confident-frozen-sgd", "exits-distill-frozen-sgd")
# The plans of ALL_DRIFTS by what they train.
FRONT, MIDDLE, LAST, HEAD = "input-batch-sgd", "feature-layer2-block-sgd", "feature-block-sgd", "output-frozen-sgd"
EVERYTHING = "full-batch-sgd"
ALL_PLANS = (FRONT, MIDDLE, LAST, HEAD, EVERYTHING)
# One with a plan for every drift, of a network that knows its classes in other colours (`support.toys.OLD_COLOURS`),
# and keeps some images of these; and the same that begins with adapted statistics.
KEPT, KEPT_ADAPT = "kept", "kept-adapt"
# The compiled bundle whose channels the device chooses, in plans of different depth.
SPARSE = "tinytrain"
CLASSES = ("ant", "bee", "cat", "dog")
IMAGE_SIZE = 8


def made_up_manifest() -> Manifest:
    """A manifest with something in every field; no file is listed yet."""
    cost = Cost(prefix_flops=1, forward_flops=2, backward_flops=3, activation_bytes=4, parameter_bytes=5)
    plan = Plan(
        id="feature-frozen-sgd",
        drift="feature",
        blocks=("layer3",),
        batch_norm="frozen",
        batch_statistics=(),
        parameters=(Parameter(name="fc.weight", shape=(4, 6)),),
        boundary=Boundary(name="boundary", shape=(4, 8, 8)),
        gradient_forms=("direct",),
        micro_batch=8,
        gradient_memory=(GraphMemory(fixed_bytes=1000, image_bytes=100),),
        prefix_memory=(GraphMemory(fixed_bytes=0, image_bytes=100),),
        suffix_memory=GraphMemory(fixed_bytes=0, image_bytes=100),
        prefix_forms=("direct",),
        optimizer=Optimizer(
            kind="sgd",
            inputs=("lr", "momentum", "weight_decay"),
            slots=("momentum",),
            lr=0.01,
            momentum=0.9,
            weight_decay=0.0,
        ),
        batch_size=8,
        cost=cost,
        full_cost=cost,
        int8=Int8Prefix(
            calibration_images=6, measured_images=7, accuracy_float32=0.8, accuracy_int8=0.79, boundary_error=0.05
        ),
        targets_memory=GraphMemory(fixed_bytes=1000, image_bytes=110),
    )
    return Manifest(
        format=1,
        minimum_runtime="0.1.0",
        parent="0" * 64,
        model="tiny",
        classes=CLASSES,
        image_size=IMAGE_SIZE,
        preprocessing=(
            ExifTranspose(),
            ToRgb(),
            Resize(size=IMAGE_SIZE),
            CenterCrop(size=IMAGE_SIZE),
            Normalize(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        ),
        batch_norms=(BatchNorm(mean="bn.running_mean", variance="bn.running_var", momentum=0.1, values=64),),
        blocks=(
            Block(name="conv1", parameters=9),
            Block(name="layer3", parameters=20),
            Block(name="fc", parameters=24),
        ),
        plans=(plan,),
        producers={"tbft-edge": "0.1.0"},
        files={},
    )


def made_up_others() -> dict[str, np.ndarray]:
    """Tensors of the made-up network that its plan does not train."""
    shapes = {"conv1.weight": (3, 3), "layer3.weight": (4, 5), "bn.running_mean": (4,), "bn.running_var": (4,)}
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def made_up_bundle(folder: Path) -> Manifest:
    """Write a bundle whose graphs are but bytes, with real weights; it passes every check of the manifest."""
    manifest = made_up_manifest()
    (plan,) = manifest.plans
    save_file(
        {parameter.name: np.zeros(parameter.shape, np.float32) for parameter in plan.parameters} | made_up_others(),
        folder / WEIGHTS,
    )
    for name in (PREDICT, STATISTICS, plan.prefix, plan.suffix, plan.predict, plan.gradient, plan.targets, plan.update):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"content of {name}".encode())
    return write_manifest(folder, manifest)


def write_manifest(folder: Path, manifest: Manifest, **changes: Any) -> Manifest:
    """Write the manifest with `changes`, listing the files that lie in `folder`, with a true id."""
    files = {
        path.relative_to(folder).as_posix(): file_entry(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    complete = msgspec.structs.replace(manifest, **{"files": files, **changes}).with_id()
    (folder / MANIFEST).write_bytes(msgspec.json.encode(complete))
    return complete


def read_manifest(folder: Path) -> Manifest:
    """The manifest as it is, unchecked."""
    return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)


def compiled(name: str) -> Path:
    """A compiled bundle; tests only read it."""
    folder = COMPILED / name
    assert folder.is_dir(), f"{folder} is missing: run 'make {COMPILED.relative_to(COMPILED.parents[1])}/.made'"
    return folder


def compiled_copy(name: str, folder: Path, **changes: Any) -> Path:
    """A copy of a compiled bundle in `folder`, its manifest changed as asked."""
    shutil.copytree(compiled(name), folder)
    if changes:
        write_manifest(folder, read_manifest(folder), **changes)
    return folder
