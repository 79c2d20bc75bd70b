"""What a user gives to be classified, checked: paths of pictures, or pixels as a camera gives them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_runtime.data.bounds import room
from tbft_runtime.data.pictures import DAMAGED, read
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.signals import items_to_answer


def prepared(
    images: np.ndarray | Iterable[str | os.PathLike[str]], preprocessing: Preprocessing
) -> Iterator[np.ndarray]:
    """Pixels (H, W, C) uint8 of each image, or a signal's values (C, H, W), of arrays and files alike.

    Raises TbftError for what is no picture, and if there is none.
    """
    count = 0
    if preprocessing.is_signal:
        given = _windows(images, preprocessing)
    else:
        given = _frames(images, preprocessing) if isinstance(images, np.ndarray) else _files(images, preprocessing)
    for pixels in given:
        yield pixels
        count += 1
    if not count:
        raise TbftError(f"there are no {preprocessing.noun}s to classify", "give at least one")


def each_path(inputs: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """Raises TbftError for a single path, whose letters would pass for paths, and for what is no path."""
    if isinstance(inputs, str | os.PathLike):
        raise TbftError(f"'{os.fspath(inputs)}' is one path, not a list of them", "put it into a list")
    for path in inputs:
        if not isinstance(path, str | os.PathLike):
            raise TbftError(
                f"a {type(path).__name__} is no path of a picture",
                "give paths, or the pixels of all images as one array: np.stack(frames)",
            )
        yield Path(path)


def named_picture(file: Path, preprocessing: Preprocessing) -> np.ndarray:
    """Pixels (H, W, C) uint8 of a picture that was named itself. Raises TbftError if it cannot be read."""
    picture = read(file, preprocessing, room(None))
    if picture.pixels is None:
        raise unreadable_picture(str(file), picture.problem)
    return picture.pixels


def unreadable_picture(name: str, problem: str) -> TbftError:
    """Of a picture that was named itself."""
    why = "" if problem in ("", DAMAGED) else f": {problem}"
    return TbftError(f"'{name}' cannot be read as a JPEG or PNG picture{why}", "leave it out")


def _files(paths: Iterable[str | os.PathLike[str]], preprocessing: Preprocessing) -> Iterator[np.ndarray]:
    for path in each_path(paths):
        if not path.exists():
            raise TbftError(f"picture '{path}' does not exist", "check the path")
        yield named_picture(path, preprocessing)


def _frames(images: np.ndarray, preprocessing: Preprocessing) -> Iterator[np.ndarray]:
    if images.dtype != np.uint8 or not preprocessing.takes_arrays(images.shape):
        raise TbftError(
            f"images are {images.dtype} {images.shape}, not uint8 (N, H, W, 3)",
            "give RGB bytes from 0 to 255; a single frame (H, W, 3) as frame[np.newaxis]",
        )
    frames = images if images.ndim == 4 else images[..., np.newaxis]
    for image in frames:
        yield preprocessing.prepare_array(image)


def _windows(
    given: np.ndarray | Iterable[str | os.PathLike[str]], preprocessing: Preprocessing
) -> Iterator[np.ndarray]:
    """Values of each window or patch, of an array and of files alike. Raises TbftError for what are none."""
    shape = preprocessing.shape
    if not isinstance(given, np.ndarray):
        for path in each_path(given):
            for item in items_to_answer(path, None, preprocessing):
                if item.pixels is None:
                    raise TbftError(f"'{item.name}' cannot be read: {item.problem}", "leave it out")
                yield item.pixels
        return
    if given.dtype not in map(np.dtype, preprocessing.signal_types) or not preprocessing.takes_signals(given.shape):
        types = " or ".join(preprocessing.signal_types)
        raise TbftError(
            f"windows are {given.dtype} {given.shape}, not {types} (N, {', '.join(map(str, shape))})",
            "give the sensor's own values; those of a single window as window[np.newaxis]",
        )
    if not np.isfinite(given).all():
        raise TbftError("windows hold what are no finite numbers", "leave those out, or fill them in")
    yield from given.reshape(-1, *shape)
