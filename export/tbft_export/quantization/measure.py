"""What an int8 prefix costs in accuracy, and whether that is too much."""

from __future__ import annotations

import math

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Int8Prefix
from tbft_export.graph.sessions import Session
from tbft_export.images import LabelledImages, batches
from tbft_export.quantization.split import Split

MOST_LOSS = 0.01
# Fewer images cannot show a loss of one point.
FEWEST_MEASURED = 100
# 8 bits per layer leave a few per cent. More than this is a failed calibration, even where labels do not
# show it, since the model is wrong on these images anyway.
MOST_BOUNDARY_ERROR = 0.25


def compare(exact: Session, int8: Session, suffix: Session, images: LabelledImages, parts: Split) -> Int8Prefix:
    """Run the suffix behind either prefix on the measured images."""
    right = np.zeros(2, np.int64)
    error = signal = 0.0
    for indices in batches(parts.measured):
        values, labels = images.images(indices), images.labels[indices]
        boundaries = exact.run(values), int8.run(values)
        right += [int((suffix.run(boundary).argmax(axis=1) == labels).sum()) for boundary in boundaries]
        expected = boundaries[0].astype(np.float64)
        error += float(np.square(boundaries[1] - expected).sum())
        signal += float(np.square(expected).sum())
    accuracies = right / len(parts.measured)
    return Int8Prefix(
        calibration_images=len(parts.calibration),
        measured_images=len(parts.measured),
        # Equal bundles have equal manifests, whatever the last digits of a sum are on this machine.
        accuracy_float32=round(float(accuracies[0]), 6),
        accuracy_int8=round(float(accuracies[1]), 6),
        boundary_error=round(math.sqrt(error / signal), 3) if signal else 0.0,
    )


def check_loss(found: Int8Prefix) -> None:
    """Raises TbftError if the int8 prefix loses too much, or too few images were there to say so."""
    anyway = "or take it anyway with `allow_accuracy_loss`"
    loss = round(found.accuracy_float32 - found.accuracy_int8, 6)
    if loss > MOST_LOSS:
        raise TbftError(
            f"the int8 prefix costs {100 * loss:.1f} points of accuracy: "
            f"{found.accuracy_float32:.1%} in float32, {found.accuracy_int8:.1%} in int8, on {found.measured_images} "
            "images",
            f"calibrate with images like those that the device will see, {anyway}",
        )
    if found.boundary_error > MOST_BOUNDARY_ERROR:
        raise TbftError(
            f"the int8 prefix is far from the float32 one: its output is off by {found.boundary_error:.0%}",
            f"calibrate with images like those that the device will see, {anyway}",
        )
    if found.measured_images < FEWEST_MEASURED:
        raise TbftError(
            f"{found.measured_images} images are too few to see a loss of one point of accuracy",
            f"give at least {math.ceil(1.5 * FEWEST_MEASURED)} labelled images with `calibration`, {anyway}",
        )
