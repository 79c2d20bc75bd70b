"""Compile the small bundles that the device tests use: `make_bundles.py FOLDER`. Runs on the host."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1]))

from support import hostile, tiny_models
from support.bundles import KEPT, KEPT_ADAPT, read_manifest, write_manifest
from support.calibration import ArrayImages, clear_images, patchworks, squares
from support.toys import OLD_COLOURS, coloured_squares
from tbft_export import ExportOptions, export_bundle
from tbft_export.options import TableOptions
from tbft_export.sources.sound import LogMelOptions, SoundOptions

CLASSES = ("ant", "bee", "cat", "dog")
PLANS = {
    "output-frozen": ("output", "frozen", "sgd"),
    "feature-frozen": ("feature", "frozen", "sgd"),
    "feature-adamw": ("feature", "frozen", "adamw"),
    "feature-adapt": ("feature", "adapt", "sgd"),
    "feature-block": ("feature", "block", "sgd"),
    "feature-batch": ("feature", "batch", "sgd"),
    "input-batch": ("input", "batch", "sgd"),
    "full-batch": ("full", "batch", "adam"),
}


def main(folder: Path) -> None:
    """Write one bundle per entry of `PLANS`, two with an int8 prefix, two for every drift, and of the other kinds."""
    for name, (drift, policy, optimizer) in PLANS.items():
        out = folder / name
        shutil.rmtree(out, ignore_errors=True)
        options = ExportOptions(
            model="support.tiny_models:tiny",
            drift=drift,  # type: ignore[arg-type]
            batch_norm=policy,  # type: ignore[arg-type]
            optimizer=optimizer,  # type: ignore[arg-type]
            classes=CLASSES,
            image_size=8,
            batch_size=8,
            lr=0.05 if optimizer == "sgd" else 0.01,
        )
        export_bundle(options, out)
        if name in ("feature-frozen", "feature-block"):
            write_int8(options, folder / {"frozen": "feature-int8", "block": "feature-block-int8"}[policy])
        if name == "feature-frozen":
            write_all(options, "tiny_deep", folder / "all-drifts")
            write_all(options, "tiny_plain", folder / "all-plain")
            write_sparse(options, folder / "tinytrain")
            write_exits(options, folder / "exits")
            write_kept(options, folder)
            write_hostile(options, folder)
            write_sensors(folder)


def write_int8(options: ExportOptions, out: Path) -> None:
    """The same with an int8 prefix."""
    shutil.rmtree(out, ignore_errors=True)
    images = clear_images(tiny_models.tiny(), 8, len(CLASSES), 150)
    export_bundle(dataclasses.replace(options, prefix="int8", calibration=images), out)


def write_all(options: ExportOptions, model: str, out: Path) -> None:
    """A plan for every block, and moments: of a network with a stage more, or one without batch norms."""
    shutil.rmtree(out, ignore_errors=True)
    model = f"support.tiny_models:{model}"
    export_bundle(dataclasses.replace(options, model=model, drift="all", batch_norm=None, source=squares), out)


def write_sparse(options: ExportOptions, out: Path, model: str = "tiny_deep") -> None:
    """Plans of three depths, in which the device chooses channels."""
    shutil.rmtree(out, ignore_errors=True)
    model = f"support.tiny_models:{model}"
    export_bundle(dataclasses.replace(options, model=model, drift=None, method="tinytrain", batch_norm=None), out)


def write_exits(options: ExportOptions, out: Path, model: str = "tiny_deep") -> None:
    """Exits at two depths of the deeper network and behind it, and a plan for each way to personalise them."""
    shutil.rmtree(out, ignore_errors=True)
    export_bundle(
        dataclasses.replace(
            options,
            model=f"support.tiny_models:{model}",
            method="persephonee",
            drift=None,
            batch_norm=None,
            lr=None,
            exits=3,
            source=patchworks(8, len(CLASSES), 400),
        ),
        out,
    )


def write_kept(options: ExportOptions, folder: Path) -> None:
    """A network that learned squares of other colours, of which its bundles keep ten of each class."""
    pixels, labels = coloured_squares(200, seed=9, colours=OLD_COLOURS)
    images = np.ascontiguousarray((pixels.transpose(0, 3, 1, 2) / 255 - 0.5) / 0.5, np.float32)
    net = tiny_models.tiny_deep().train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for _ in range(100):
        optimizer.zero_grad()
        functional.cross_entropy(net(torch.from_numpy(images)), torch.from_numpy(labels)).backward()
        optimizer.step()
    with tempfile.TemporaryDirectory() as temporary:
        weights = Path(temporary) / "learned.pth"
        torch.save(net.state_dict(), weights)
        for name, drift, policy in ((KEPT, "all", None), (KEPT_ADAPT, "feature", "adapt")):
            shutil.rmtree(folder / name, ignore_errors=True)
            asked = dataclasses.replace(
                options,
                model="support.tiny_models:tiny_deep",
                weights=weights,
                drift=drift,  # type: ignore[arg-type]
                batch_norm=policy,  # type: ignore[arg-type]
                mean=(0.5,),
                std=(0.5,),
                source=ArrayImages(images, labels),
                keep=10,
            )
            export_bundle(asked, folder / name)


def write_sensors(folder: Path) -> None:
    """Networks of small devices, trained as a whole, and one of a signal's windows with a plan for every block."""
    module = "support.sensor_models"
    for name, options in {
        "resnet8": ExportOptions(f"{module}:resnet8", "full", image_size=32, batch_size=4),
        "ds-cnn": ExportOptions(f"{module}:ds_cnn", "full", patch=(49, 10), batch_size=4),
        "motion": ExportOptions(
            f"{module}:motion",
            "all",
            window=32,
            table=TableOptions(("ax", "ay", "az"), stride=16),
            classes=CLASSES,
            mean=(0.5,),
            std=(2.0,),
            batch_size=8,
        ),
        "hum": ExportOptions(
            f"{module}:hum",
            "full",
            window=200,
            sound=SoundOptions(800, LogMelOptions(40, 20, 4)),
            batch_norm="frozen",
            classes=CLASSES,
            batch_size=8,
        ),
    }.items():
        shutil.rmtree(folder / name, ignore_errors=True)
        export_bundle(options, folder / name)


def write_hostile(options: ExportOptions, folder: Path) -> None:
    """A stranger's bundles of each kind: nothing but their names is odd, as far as a bundle's may be."""
    theirs = dataclasses.replace(options, classes=hostile.CLASSES)
    for name, write in (("drifts", write_all), ("channels", write_sparse), ("exits", write_exits)):
        out = folder / f"hostile-{name}"
        write(theirs, out=out, model="tiny_hostile")
        write_manifest(
            out, read_manifest(out), model=hostile.ODD + hostile.LENGTHY, producers={hostile.ODD: hostile.LENGTHY}
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
