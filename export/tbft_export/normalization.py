"""Mean and standard deviation of each channel, measured on the user's data."""

from __future__ import annotations

import msgspec
import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.preprocessing import SIGNAL_DEVIATIONS, SIGNAL_MEANS, Normalize, PreprocessingStep, Standardize
from tbft_export.images import ImageReader, batches

# Digits that are kept: more would be those of this data alone.
_DIGITS = 6


def measured(manifest: Manifest, reader: ImageReader) -> Manifest:
    """The same manifest, whose input is brought to mean 0 and deviation 1 in each channel of the data.

    Raises TbftError for a channel in which nothing changes, and as the reader does.
    """
    channels = manifest.shape.channels
    data = reader(_with(manifest, (0.0,) * channels, (1.0,) * channels))
    # Sums of many values that differ little: about the first ones, in double.
    count, begin = 0, np.zeros(channels)
    total, squares = np.zeros(channels), np.zeros(channels)
    for indices in batches(np.arange(len(data.labels))):
        values = data.images(indices).astype(np.float64).transpose(1, 0, 2, 3).reshape(channels, -1)
        if not count:
            begin = values.mean(axis=1)
        values -= begin[:, np.newaxis]
        count += values.shape[1]
        total += values.sum(axis=1)
        squares += (values**2).sum(axis=1)
    if not count:
        raise TbftError("there is nothing to measure mean and deviation of", "give labelled data with `measure`")
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    mean += begin
    for channel, (center, spread) in enumerate(zip(mean, deviation, strict=True)):
        if not _is_usable(center, spread):
            raise TbftError(
                f"channel {channel} of the data has mean {center:.3g} and deviation {spread:.3g}",
                "look at that channel: nothing changes in it, or its unit is odd; or say `mean` and `std`",
            )
    return _with(manifest, _rounded(mean), _rounded(deviation))


def _is_usable(center: float, spread: float) -> bool:
    means, deviations = SIGNAL_MEANS, SIGNAL_DEVIATIONS
    return means[0] <= center <= means[1] and deviations[0] <= spread <= deviations[1]


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values)


def _with(manifest: Manifest, mean: tuple[float, ...], std: tuple[float, ...]) -> Manifest:
    def changed(step: PreprocessingStep) -> PreprocessingStep:
        return type(step)(mean=mean, std=std) if isinstance(step, Normalize | Standardize) else step

    return msgspec.structs.replace(manifest, preprocessing=tuple(map(changed, manifest.preprocessing)))
