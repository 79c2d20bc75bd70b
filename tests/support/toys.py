"""Images that a tiny network learns in seconds, and pictures written without an image library."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from support.bundles import CLASSES, IMAGE_SIZE

COLOURS = np.array([[220, 40, 40], [40, 220, 40], [40, 40, 220], [220, 220, 40]])
# What a network knew before: other colours of the same classes.
OLD_COLOURS = np.array([[40, 220, 220], [220, 40, 220], [130, 130, 130], [20, 20, 20]])
NO_LABEL = -1


def coloured_squares(
    count: int, seed: int = 0, size: int = IMAGE_SIZE, colours: np.ndarray = COLOURS
) -> tuple[np.ndarray, np.ndarray]:
    """(images (count, size, size, 3) uint8, labels (count,)): a noisy colour per class, classes in turn."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(colours)
    noise = rng.normal(0, 25, (count, size, size, 3))
    return np.clip(colours[labels][:, None, None, :] + noise, 0, 255).astype(np.uint8), labels


def save_squares(path: Path, count: int = 48, seed: int = 0) -> Path:
    """Coloured squares in an `.npz`."""
    images, labels = coloured_squares(count, seed)
    np.savez(path, images=images, labels=labels)
    return path


def save_folders(
    folder: Path, images: np.ndarray, labels: Sequence[int] | np.ndarray, classes: Sequence[str] = CLASSES
) -> Path:
    """The images as PNG files in a folder per class; label -1 goes into `unlabelled`."""
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        name = "unlabelled" if label == NO_LABEL else classes[label]
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / f"{index:04}.png").write_bytes(png(image))
    return folder


def png(image: np.ndarray) -> bytes:
    """A PNG file of (H, W, 3) uint8, or of (H, W) uint8 or uint16 grey values."""
    height, width = image.shape[:2]
    big_endian = image.astype(image.dtype.newbyteorder(">"))
    rows = b"".join(b"\0" + row.tobytes() for row in big_endian)
    return png_of(width, height, 8 * image.dtype.itemsize, 2 if image.ndim == 3 else 0, rows)


def png_of(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG file from its header's fields and its unpacked rows, each behind a filter byte."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
