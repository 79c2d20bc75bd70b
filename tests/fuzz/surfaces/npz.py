"""Data sets as .npz: headers that lie, bombs, other kinds, labels and classes, broken bytes."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.mutations import change_file
from fuzz.packing import Part, Zeros, zip_of
from support.hostile import EVIL

NAME = "data.npz"
COUNT = 24
_LONG = Zeros(1200)


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """One of the arrays, or the archive around them, is odd."""
    with np.load(desk.data) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    kind = rng.choice(sorted(_KINDS))
    content, what = _KINDS[kind](images, labels, rng)
    (folder / NAME).write_bytes(content)
    what = f"{kind}: {what}"
    bundle = str(desk.bundle())
    match rng.randrange(4):
        case 0:
            return Case(what, ("predict", bundle, NAME, "--threads", "1", "--json"))
        case 1:
            return Case(what, ("eval", bundle, "--data", NAME, "--threads", "1", "--json"))
        case 2:
            case = commands.train(what, desk, bundle, data=str(desk.data))
            return replace(case, arguments=(*case.arguments, "--val", NAME))
        case _:
            return commands.train(what, desk, bundle, data=NAME)


def _npy(array: np.ndarray) -> bytes:
    written = io.BytesIO()
    np.lib.format.write_array(written, array, allow_pickle=array.dtype == object)
    return written.getvalue()


def _with_header(text: str, version: tuple[int, int] = (1, 0), values: bytes = b"") -> bytes:
    header = text.encode("utf-8", "surrogatepass")
    size = struct.pack("<H" if version[0] == 1 else "<I", len(header) & (0xFFFF if version[0] == 1 else 0xFFFFFFFF))
    return b"\x93NUMPY" + bytes(version) + size + header + values


def _archive(**members: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content)  # Of no time: the same bytes each time.
    return written.getvalue()


def _whole(images: np.ndarray, labels: np.ndarray, **others: np.ndarray) -> bytes:
    return _archive(images=_npy(images), labels=_npy(labels), **{name: _npy(array) for name, array in others.items()})


def _bytes(images: np.ndarray, labels: np.ndarray, rng: Random) -> tuple[bytes, str]:
    changed = change_file(_whole(images, labels), rng)
    return changed.value, changed.what


def _member_bytes(images: np.ndarray, labels: np.ndarray, rng: Random) -> tuple[bytes, str]:
    """Bytes of an array, in an archive that is whole."""
    members = {"images": _npy(images), "labels": _npy(labels), "classes": _npy(np.array(["ant", "bee", "cat", "dog"]))}
    name = rng.choice(sorted(members))
    changed = change_file(members[name][:128], rng) if rng.random() < 0.6 else change_file(members[name], rng)
    members[name] = changed.value + (members[name][128:] if len(changed.value) <= 200 else b"")
    return _archive(**members), f"{name} {changed.what}"


def _header(images: np.ndarray, labels: np.ndarray, rng: Random) -> tuple[bytes, str]:
    """What it says of itself."""
    texts = (
        "{'descr': (",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (400000000, 8, 8, 3), }\n",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 8, 8, 3), }\n",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (24, 30000, 30000, 3), }\n",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (24, 8, 8, 3.0), }\n",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (True, 8, 8, 3), }\n",
        "{'descr': '|u1', 'fortran_order': True, 'shape': (24, 8, 8, 3), }\n",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (%s, 8, 8, 3), }\n" % ("9" * 400),
        "{'descr': '|O', 'fortran_order': False, 'shape': (24,), }\n",
        "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (24, 8, 8, 3), }\n",
        "{'descr': ['|u1'], 'fortran_order': False, 'shape': (24, 8, 8, 3), }\n",
        "{[]: 1}\n",
        "[" * 2000,
        "(" * 200 + ")" * 200,
        "x" * 70_000,
        "",
        "\udcff",
        "{'descr': '|u1', 'fortran_order': False, 'shape': __import__('os').getpid(), }\n",
    )
    text, name = rng.choice(texts), rng.choice(("images", "images", "labels", "classes"))
    version = rng.choice(((1, 0), (2, 0), (3, 0), (9, 9)))
    members = {"images": _npy(images), "labels": _npy(labels)}
    if rng.random() < 0.4:
        del members["labels"]
    members[name] = _with_header(text, version, images.tobytes())
    return _archive(**members), f"{name} {version} {text[:80]!r}"


def _bomb(images: np.ndarray, labels: np.ndarray, rng: Random) -> tuple[bytes, str]:
    """More than a gigabyte of zeros in a megabyte."""
    members: dict[str, list[Part]] = {"images.npy": [_npy(images)], "labels.npy": [_npy(labels)]}
    name = rng.choice(("images", "labels", "classes"))
    size = _LONG.megabytes << 20
    shapes: dict[str, tuple[str, str]] = {
        "images": ("|u1", f"({size // 192}, 8, 8, 3)" if rng.random() < 0.5 else f"(1, 20971, {size // 62914}, 3)"),
        "labels": ("<i8", f"({size // 8},)"),
        "classes": rng.choice((("<U1", f"({size // 4},)"), (f"<U{size // 16}", "(4,)"))),
    }
    kind, shape = shapes[name]
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n"
    head = _with_header(text)
    if rng.random() < 0.2:
        head, text = b"\x93NUMPY\x02\x00" + struct.pack("<I", size), f"a header of {size} bytes"
    members[f"{name}.npy"] = [head, _LONG]
    return zip_of(members), f"{name} of zeros, {text[:80]!r}"


def _image_kinds(images: np.ndarray, labels: np.ndarray, rng: Random) -> tuple[bytes, str]:
    kinds: dict[str, Any] = {
        "floats": images / np.float32(255),
        "not finite": np.full(images.shape, np.nan, np.float32),
        "int64": images.astype(np.int64),
        "grey": images[..., :1],
        "four channels": np.concatenate([images, images[..., :1]], -1),
        "channels first": images.transpose(0, 3, 1, 2).copy(),
        "none": images[:0],
        "one": images[:1],
        "no pixels": images[:, :0],
        "thin": np.zeros((COUNT, 1, 60_000, 3), np.uint8),
        "tall": np.zeros((COUNT, 20_000, 1, 3), np.uint8),
        "one pixel": images[:, :1, :1],
        "fortran": np.asfortranarray(images),
        "flat": images.reshape(COUNT, -1),
        "a number": np.array(7, np.uint8),
        "texts": np.array(["x"] * COUNT),
        "objects": np.array([{}] * COUNT, object),
        "records": np.zeros(COUNT, [("a", "u1"), ("b", "f4")]),
        "times": np.zeros(COUNT, "datetime64[s]"),
    }
    name = rng.choice(sorted(kinds))
    return _whole(kinds[name], labels), name


def _label_kinds(images: np.ndarray, labels: np.ndarray, rng: Random) -> tuple[bytes, str]:
    kinds: dict[str, Any] = {
        "floats": labels.astype(np.float32),
        "not finite": np.full(COUNT, np.nan),
        "too few": labels[:-1],
        "too many": np.append(labels, 0),
        "out of range": np.where(labels == 1, 4, labels),
        "below": np.where(labels == 1, -2, labels),
        "far": np.full(COUNT, 2**63 - 1),
        "unsigned far": np.full(COUNT, 2**64 - 1, np.uint64),
        "none have one": np.full(COUNT, -1),
        "one class": np.zeros(COUNT, np.int64),
        "truth": labels.astype(bool),
        "texts": labels.astype(str),
        "objects": labels.astype(object),
        "a number": np.array(1),
        "a column": labels[:, None],
        "records": np.zeros(COUNT, [("a", "i8")]),
        "complex": labels.astype(complex),
    }
    name = rng.choice(sorted(kinds))
    return _whole(images, kinds[name]), name


def _class_kinds(images: np.ndarray, labels: np.ndarray, rng: Random) -> tuple[bytes, str]:
    kinds: dict[str, Any] = {
        "others": np.array(["a", "b"]),
        "bytes": np.array([b"ant", b"bee", b"cat", b"dog"]),
        "numbers": np.arange(4),
        "not finite": np.full(4, np.nan),
        "a number": np.array(4),
        "a text": np.array("ant"),
        "none": np.array([], str),
        "a table": np.array([["ant", "bee"], ["cat", "dog"]]),
        "evil": np.array([EVIL] * 4),
        "objects": np.array(["ant", None, {}, []], object),
        "many": np.arange(100_000).astype(str),
    }
    name = rng.choice([*sorted(kinds), "no code points"])
    if name == "no code points":
        text = "{'descr': '<U4', 'fortran_order': False, 'shape': (4,), }\n"
        classes = _with_header(text, values=b"\xff\xff\xff\xff" * 16)
        return _archive(images=_npy(images), labels=_npy(labels), classes=classes), name
    return _whole(images, labels, classes=kinds[name]), name


def _archives(images: np.ndarray, labels: np.ndarray, rng: Random) -> tuple[bytes, str]:
    """Members twice, missing, elsewhere, or packed in other ways."""
    written = io.BytesIO()
    how = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(written, "w", how) as archive:
        # Twice the same name is what zipfile warns of.
        names = rng.choice((("images.npy",), ("labels.npy",), ("images",), ("../images.npy",), ("images.npy",) * 2, ()))
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), _npy(images), how)
    content = written.getvalue()
    if rng.random() < 0.5:
        changed = change_file(content, rng)
        return changed.value, f"{names} packed by {how}, {changed.what}"
    return content, f"{names} packed by {how}"


_KINDS = {
    "bytes": _bytes,
    "member": _member_bytes,
    "header": _header,
    "bomb": _bomb,
    "images": _image_kinds,
    "labels": _label_kinds,
    "classes": _class_kinds,
    "archive": _archives,
}
