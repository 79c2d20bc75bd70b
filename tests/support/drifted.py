"""A bundle that knows the coloured squares, and what can happen to it or to them. Device only."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from support.bundles import compiled, read_manifest, write_manifest
from support.runs import fine_tune, state_of
from support.toys import coloured_squares

# As many as a diagnosis looks at, once a part is held out.
IMAGES = 160


def knowing_bundle(name: str, folder: Path, epochs: int = 15) -> Path:
    """A copy of the compiled bundle `name` in `folder`, with weights that were trained on squares."""
    data, run = folder.parent / f"{folder.name}.npz", folder.parent / f"{folder.name}-run"
    images, labels = coloured_squares(IMAGES, seed=9)
    np.savez(data, images=images, labels=labels)
    full = next(plan.id for plan in read_manifest(compiled(name)).plans if plan.drift == "full")
    fine_tune(name, data, run, plan=full, epochs=epochs, patience=epochs)
    return with_weights(compiled(name), folder, state_of(run).best)


def with_weights(bundle: Path, folder: Path, changed: dict[str, np.ndarray]) -> Path:
    """A copy of a bundle in `folder` in which some tensors are others."""
    shutil.copytree(bundle, folder)
    file = folder / "weights.safetensors"
    save_file(load_file(file) | {name: np.ascontiguousarray(value) for name, value in changed.items()}, file)
    write_manifest(folder, read_manifest(folder))
    return folder


def noised(bundle: Path, folder: Path, module: str, sigma: float, seed: int = 0) -> Path:
    """A copy of a bundle in which every parameter of `module` has noise of `sigma`."""
    rng = np.random.default_rng(seed)
    weights = load_file(bundle / "weights.safetensors")
    changed = {
        name: (value + rng.normal(0, sigma, value.shape)).astype(np.float32)
        for name, value in weights.items()
        if name.startswith(f"{module}.") and "running" not in name and "num_batches" not in name
    }
    return with_weights(bundle, folder, changed)


def save_drifted(path: Path, *, relabel: int = 0, inverted: bool = False, seed: int = 3) -> Path:
    """Squares as in `coloured_squares`: labels moved on by `relabel` classes, or colours inverted."""
    images, labels = coloured_squares(IMAGES, seed)
    np.savez(path, images=255 - images if inverted else images, labels=(labels + relabel) % 4)
    return path
