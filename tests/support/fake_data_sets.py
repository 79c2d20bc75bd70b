"""Small data sets in the exact form of the public ones: CIFAR-10, CIFAR-10-C, ImageNet, BREEDS."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tbft_edge.reproduce.datasets.cifar10 import CLASSES


def photos(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(images (count, 32, 32, 3) uint8, labels (count,) of ten classes in turn)."""
    images = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)
    return images, np.arange(count) % 10


def write_batches(folder: Path, batches: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """CIFAR-10's files as Python 2 wrote them: protocol 2, keys of bytes, three planes in a row."""
    folder.mkdir(parents=True, exist_ok=True)
    meta = {b"num_cases_per_batch": 10000, b"label_names": [name.encode() for name in CLASSES], b"num_vis": 3072}
    dump(folder / "batches.meta", meta)
    for name, (images, labels) in batches.items():
        dump(
            folder / name,
            {
                b"batch_label": b"testing batch 1 of 1",
                b"labels": labels.tolist(),
                b"data": images.transpose(0, 3, 1, 2).reshape(len(images), -1),
                b"filenames": [b"a.png"] * len(images),
            },
        )


def dump(path: Path, content: Any) -> None:
    """Pickle as Python 2 did, with the names that numpy had when CIFAR-10 was published."""
    file = io.BytesIO()
    _Python2Pickler(file, protocol=2).dump(content)
    path.write_bytes(file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))


class _Python2Pickler(pickle._Pickler):
    """Text and bytes are one type in Python 2, and written as they are."""

    def save(self, obj: object, save_persistent_id: bool = True) -> None:
        if not isinstance(obj, str | bytes) or id(obj) in self.memo:
            super().save(obj, save_persistent_id)
            return
        raw = obj.encode("latin1") if isinstance(obj, str) else obj
        short = len(raw) < 256
        self.write(pickle.SHORT_BINSTRING if short else pickle.BINSTRING)
        self.write(len(raw).to_bytes(1 if short else 4, "little"))
        self.write(raw)
        self.memoize(obj)


def write_cifar10_c(folder: Path, names: Iterable[str], count: int) -> dict[str, np.ndarray]:
    """A CIFAR-10-C of `count` images at each severity; returns the images of each corruption."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "labels.npy", np.tile(np.arange(count) % 10, 5).astype(np.uint8))
    files = {name: photos(5 * count, seed)[0] for seed, name in enumerate(names)}
    for name, images in files.items():
        np.save(folder / f"{name}.npy", images)
    return files


def write_pictures(root: Path, wnids: Iterable[str], count: int) -> None:
    """`count` pictures of ImageNet's odd sizes per class; all of a class in one colour."""
    for number, wnid in enumerate(wnids):
        (root / wnid).mkdir(parents=True)
        for index in range(count):
            picture = Image.new("RGB", (160 + 40 * index, 200 - 20 * index), (number * 7 % 256, number * 31 % 256, 90))
            picture.save(root / wnid / f"{wnid}_{index}.JPEG", quality=95)


def write_hierarchy(folder: Path, leaves: Mapping[str, Sequence[str]]) -> None:
    """BREEDS's three files: superclasses five levels down among the living things, as deep as the real ones.

    Beside them are what must not be found: lifeless things, a superclass of three, one that lies less deep.
    """
    folder.mkdir(parents=True, exist_ok=True)
    edges = [("n00001740", "n00004258"), ("n00001740", "n00021939"), ("n00004258", "animal"), ("animal", "beast")]
    edges += [("beast", "dummy1"), ("n00021939", "a"), ("a", "b"), ("b", "c"), ("c", "lamp"), ("dummy1", "three")]
    edges += [("lamp", f"n3000000{number}") for number in range(6)] + [("beast", f"n4{n}") for n in range(4)]
    edges += [("three", f"n5{number}") for number in range(3)] + [("animal", "nobody"), ("nobody", "unknown")]
    for superclass, below in leaves.items():
        edges.append(("dummy1", superclass))
        # A subclass may lie behind a node of its own.
        edges += [(superclass, below[0]), (superclass, f"{superclass}x")]
        edges += [(f"{superclass}x", leaf) for leaf in below[1:]]
    nodes = sorted({node for edge in edges for node in edge})
    classes = [node for node in nodes if node not in {parent for parent, _ in edges} and node != "unknown"]
    (folder / "class_hierarchy.txt").write_text("".join(f"{parent} {child}\n" for parent, child in edges))
    (folder / "node_names.txt").write_text("".join(f"{node}\tname of {node}, alias\n" for node in nodes))
    info = [[number, wnid, f"name of {wnid}"] for number, wnid in enumerate(classes)]
    (folder / "dataset_class_info.json").write_text(json.dumps(info))
