"""Graphs with broken bytes, and hashes that fit."""

from __future__ import annotations

from pathlib import Path
from random import Random

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.mutations import change_bytes, change_file
from fuzz.rehash import copy_bundle, write_manifest

_BUNDLES = ("feature-frozen", "output-frozen", "feature-batch", "feature-int8", "input-batch", "tinytrain")
# What a graph's bytes turn into when its nodes are other ones: of the same length, so that all else fits.
_SWAPS = (
    *((b"Relu", b"Sqrt"), (b"Conv", b"Cosh"), (b"MatMul", b"Concat"), (b"Gemm", b"Tile"), (b"Add", b"Div")),
    *((b"Mul", b"Pow"), (b"Mul", b"Mod"), (b"Sub", b"Mod"), (b"Reshape", b"Nonzero"), (b"Transpose", b"Unsqueeze")),
    *(
        (b"Add", b"Sub"),
        (b"Gather", b"Expand"),
        (b"Cast", b"Loop"),
        (b"ReduceMean", b"ReduceProd"),
        (b"images", b"labels"),
    ),
    *((b"logits", b"images"), (b"batch", b"hctab"), (b"weight", b"weighs"), (b"kernel_shape", b"kernel_shop!")),
)


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """Of one graph of a bundle."""
    name = rng.choice(_BUNDLES)
    bundle = folder / "bundle"
    manifest = copy_bundle(desk.bundle(name), bundle)
    path = rng.choice([each for each in sorted(bundle.rglob("*.onnx")) if "ort_training" not in each.parts])
    content = path.read_bytes()
    swaps = [(old, new) for old, new in _SWAPS if old in content]
    if swaps and rng.random() < 0.25:
        old, new = rng.choice(swaps)
        content = content.replace(old, new) if rng.random() < 0.5 else content.replace(old, new, 1)
        what = f"{old.decode()} is {new.decode()}"
    elif rng.random() < 0.1:
        other = rng.choice(sorted(bundle.rglob("*.onnx")))
        content, what = other.read_bytes(), f"is {other.name}"
    else:
        changed = rng.choice((change_bytes, change_bytes, change_file))(content, rng)
        content, what = changed.value, changed.what
    path.write_bytes(content)
    write_manifest(bundle, manifest)
    said = f"{name}: {path.relative_to(bundle)} {what}"
    if path.name == "predict.onnx":
        return commands.any_of_model(said, desk, "bundle", rng)
    return commands.train(said, desk, "bundle")
