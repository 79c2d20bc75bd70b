"""weights.safetensors with hashes that fit: other values, kinds, shapes and names, and broken files."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

import numpy as np
from safetensors.numpy import load_file, save

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.mutations import change_file, nested
from fuzz.rehash import copy_bundle, write_manifest
from tbft_artifacts.manifest import WEIGHTS

_BUNDLES = ("feature-frozen", "output-frozen", "feature-batch", "feature-int8", "all-drifts", "tinytrain")
_VALUES = (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 0.0)


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """Weights that are read, and should not be believed."""
    name = rng.choice(_BUNDLES)
    bundle = folder / "bundle"
    manifest = copy_bundle(desk.bundle(name), bundle)
    path = bundle / WEIGHTS
    content, what = _broken(path, rng)
    path.write_bytes(content)
    write_manifest(bundle, manifest)
    return commands.any_of_bundle(f"{name}: weights {what}", desk, "bundle", rng)


def _broken(path: Path, rng: Random) -> tuple[bytes, str]:
    kind = rng.randrange(8)
    if kind == 0:
        changed = change_file(path.read_bytes(), rng)
        return changed.value, changed.what
    if kind == 1:
        return _header(path.read_bytes(), rng)
    tensors = load_file(path)
    name = rng.choice(sorted(tensors))
    tensor = tensors[name]
    match kind:
        case 2 | 3:
            value = rng.choice(_VALUES)
            tensors[name] = tensor.copy()
            tensors[name].reshape(-1)[:: rng.choice((1, tensor.size))] = value
            what = f"{name} has {value}"
        case 4:
            value = rng.choice(_VALUES)
            tensors = {each: np.full_like(old, value) for each, old in tensors.items()}
            what = f"all {value}"
        case 5:
            shape = rng.choice(((0,), (1,), (tensor.size,), (*tensor.shape, 1), (1, 1, *tensor.shape)))
            tensors[name] = np.zeros(shape, np.float32)
            what = f"{name} of shape {shape}"
        case 6:
            kind_of_number = rng.choice((np.float64, np.float16, np.int8, np.int64, np.bool_, np.uint16))
            tensors[name] = tensor.astype(kind_of_number)
            what = f"{name} as {kind_of_number.__name__}"
        case _:
            del tensors[name]
            if rng.random() < 0.5:
                tensors[rng.choice((name.upper(), "", "x" * 9000, f"{name}\x1b[31m"))] = tensor
            what = f"without {name}"
    return save({each: np.ascontiguousarray(value) for each, value in tensors.items()}), what


def _header(content: bytes, rng: Random) -> tuple[bytes, str]:
    """A header that lies about itself."""
    (size,) = struct.unpack("<Q", content[:8])
    header, rest = content[8 : 8 + size], content[8 + size :]
    match rng.randrange(5):
        case 0:
            stated = rng.choice((0, 1, size - 1, size + 8, 2**31, 2**40, 2**63))
            return struct.pack("<Q", stated) + header + rest, f"states a header of {stated} bytes"
        case 1:
            deep = nested(rng)
            return struct.pack("<Q", len(deep.value)) + deep.value + rest, f"header {deep.what}"
        case 2:
            text = header.replace(b'"shape":[', b'"shape":[1000000000000,1000000000000,')
        case 3:
            text = header.replace(b'"F32"', rng.choice((b'"F64"', b'"BF16"', b'"F8_E4M3"', b'"X"', b'"I64"')))
        case _:
            text = header.replace(b'"data_offsets":[0,', b'"data_offsets":[%d,' % rng.choice((4, 2**40, 2**63)))
    return struct.pack("<Q", len(text)) + text + rest, "header with other shapes, kinds or offsets"
