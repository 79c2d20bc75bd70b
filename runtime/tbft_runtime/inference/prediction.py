"""The likeliest class of pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_runtime.data.sources import PICTURE_SUFFIXES, Item, open_source, read_picture
from tbft_runtime.exits.staged import StagedModel
from tbft_runtime.inference.batches import in_batches, pixels_of
from tbft_runtime.inference.model import Model
from tbft_runtime.inference.pictures import each_path, named_picture
from tbft_runtime.inference.predictor import Predictor


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """The likeliest class of one image, its probability, and where there are several, the exit that answered."""

    image: str
    label: str
    probability: float
    exit: str | None = None


def predict(
    model_path: str | os.PathLike[str],
    inputs: Iterable[str | os.PathLike[str]],
    threads: int | None = None,
    on_skipped: Callable[[str], None] = lambda _: None,
    expect_id: str | None = None,
) -> Iterator[Prediction]:
    """The likeliest class of each picture; folders and `.npz` files give all their images.

    A run with several exits answers at the first one that is sure enough. The model is loaded with each call: a program
    that asks again and again, or wants all probabilities, opens a `Predictor` once.

    Args:
        model_path: A bundle (a folder or `.tar.gz`), a run folder (its best state), or a finalized `.onnx` file.
        inputs: JPEG and PNG files, folders of them of any depth, and `.npz` files with `images` (N, H, W, 3) uint8.
        threads: How many threads compute; None: as many as there are cores.
        on_skipped: Gets the name of each picture of a folder that cannot be read.
        expect_id: As `Predictor.open` takes it.

    Yields:
        Name, likeliest class, its probability (0 to 1) and exit of each image, while images are read.

    Raises:
        TbftError: There is no such model or file, a picture that was named itself cannot be read, or none can.
        DivergedError: The model answers with what are no finite numbers.

    Example:
        >>> from tbft_runtime import predict
        >>> for found in predict("run", ["photo.png", "photos/ant"]):
        ...     print(found.image, found.label)
        photo.png bee
        photos/ant/0000.png ant
        ...
    """
    predictor = Predictor.open(model_path, threads, expect_id)
    answered = False
    for batch in in_batches(_pictures(predictor.model, inputs, on_skipped)):
        for item, (label, row, found) in zip(batch, predictor.answers(pixels_of(batch)), strict=True):
            answered = True
            yield Prediction(item.name, label, float(row.max()), found)
    if not answered:
        raise TbftError("none of the pictures could be read", "JPEG and PNG files are read, and .npz files with images")


def _pictures(
    model: Model | StagedModel, inputs: Iterable[str | os.PathLike[str]], on_skipped: Callable[[str], None]
) -> Iterator[Item]:
    for path in each_path(inputs):
        if not path.exists():
            raise TbftError(f"'{path}' does not exist", "name a picture, a folder of pictures or an .npz file")
        if path.suffix == ".npz":
            yield from open_source(path, model.classes, model.preprocessing).items()
        elif path.is_dir():
            yield from _folder(path, model, on_skipped)
        else:
            yield Item(str(path), NO_LABEL, named_picture(path, model.preprocessing))


def _folder(folder: Path, model: Model | StagedModel, on_skipped: Callable[[str], None]) -> Iterator[Item]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in PICTURE_SUFFIXES)
    if not files:
        raise TbftError(f"no images in '{folder}'", "JPEG and PNG files are read")
    for file in files:
        pixels = read_picture(file, model.preprocessing)
        if pixels is None:
            on_skipped(str(file))
            continue
        yield Item(str(file), NO_LABEL, pixels)
