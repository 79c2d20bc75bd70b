"""Graphs by someone who knows ONNX, in a bundle with hashes that fit, or as a finalized model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.evil import bombs, leaks, odd
from fuzz.evil.network import Evil, Place, whole
from fuzz.rehash import copy_bundle, write_manifest
from fuzz.surfaces.model_files import card_of

SECRET = "secret.bin"
_PLAN = "plans/feature-frozen-sgd"
_BOUNDARY = "/layer1/Relu_1_output_0"
_PLACES = {
    "predict.onnx": Place("images", (3, 8, 8), "logits", (4,)),
    f"{_PLAN}/prefix.onnx": Place("images", (3, 8, 8), _BOUNDARY, (4, 8, 8)),
    f"{_PLAN}/suffix.onnx": Place(_BOUNDARY, (4, 8, 8), "logits", (4,)),
}
EVILS = {**leaks.EVILS, **bombs.EVILS, **odd.EVILS}


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """One evil thing in one place."""
    kind = rng.choice(sorted(EVILS))
    evil = EVILS[kind](rng)
    # What a graph may try to read: the working directory is the device's root for a service.
    (folder / SECRET).write_bytes(np.full(1 << 14, 31337.0, np.float32).tobytes())
    return replace(_placed(kind, evil, desk, rng, folder), must_refuse=evil.must_refuse, may_be_slow=evil.slow)


def _placed(kind: str, evil: Evil, desk: Desk, rng: Random, folder: Path) -> Case:
    if rng.random() < 0.4:
        (folder / "model.onnx").write_bytes(whole(evil, _PLACES["predict.onnx"], card_of(desk.model)))
        return commands.any_of_model(f"{kind} as a model", desk, "model.onnx", rng)
    manifest = copy_bundle(desk.bundle("feature-frozen"), folder / "bundle")
    name = rng.choice(("predict.onnx", "predict.onnx", *_PLACES))
    (folder / "bundle" / name).write_bytes(whole(evil, _PLACES[name]))
    write_manifest(folder / "bundle", manifest)
    what = f"{kind} as {name}"
    if name == "predict.onnx":
        return commands.any_of_model(what, desk, "bundle", rng)
    forms = ("--cache", "off") if rng.random() < 0.3 else ()
    return commands.train(what, desk, "bundle", *forms)
