"""Logits of a bundle beside those of the file that it was made of: `python -m benchmarks.exporters.answers …`.

Device environment. BUNDLE FILE IMAGES.npz, and the name of the file's logits where it has several outputs. Prints a
JSON object: the largest difference as a part of the largest logit, and the part of images with the same answer.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort

from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.inference.model import open_whole

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def main(bundle: str, file: str, images: str, output: str | None = None) -> None:
    """Ask both about the same pixels, and print how far they are from each other."""
    pixels = np.load(images, allow_pickle=False)["images"]
    model = open_whole(Path(bundle), threads=1)
    found = model.logits(pixels)
    expected = _of_file(Path(file), pixels, model.preprocessing, output)
    difference = float(np.abs(found - expected).max() / np.abs(expected).max())
    same = float((found.argmax(1) == expected.argmax(1)).mean())
    sys.stdout.write(json.dumps({"difference": difference, "same": same}) + "\n")


def _of_file(path: Path, pixels: np.ndarray, preprocessing: Preprocessing, output: str | None) -> np.ndarray:
    """(N, classes) of ONNX Runtime, one image at a time: exporters write a batch of one."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    # What takes bytes normalises them itself.
    kind = _TYPES.get(taken.type)
    fed = pixels if kind is None else preprocessing.normalize(pixels).astype(kind)
    wanted = [output or session.get_outputs()[0].name]
    rows = [session.run(wanted, {taken.name: image[None]})[0] for image in fed]
    return np.concatenate(rows).astype(np.float64)


if __name__ == "__main__":
    main(*sys.argv[1:])
