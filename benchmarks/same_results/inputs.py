"""The images and weights that both sides read, made once: the scans of digits of the demo."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.prepared import ROOT

FOLDER = "../inputs"  # As a side's commands see it.
WEIGHTS = f"{FOLDER}/digits.safetensors"
FEW, HELD_OUT, FLIPPED, PHOTOS = (
    f"{FOLDER}/{name}" for name in ("few.npz", "held_out.npz", "output_train.npz", "photos")
)
IMAGES = 100
PICTURES = 30


def write(folder: Path) -> None:
    """Noisy digits to train on (IMAGES, 32, 32, 3) and to test on, some as pictures, and some with other labels."""
    subprocess.run([sys.executable, ROOT / "demo" / "make_data.py", folder], check=True)
    shutil.copy(ROOT / "demo" / "digits.safetensors", folder)
    for source, target in (("input_train", "few"), ("input_test", "held_out")):
        with np.load(folder / f"{source}.npz") as data:
            images, labels, classes = data["images"][:IMAGES], data["labels"][:IMAGES], data["classes"]
        np.savez(folder / f"{target}.npz", images=images, labels=labels, classes=classes)
    for number in range(PICTURES):
        picture = folder / "photos" / str(classes[labels[number]]) / f"{number}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[number]).resize((48, 40)).save(picture)
