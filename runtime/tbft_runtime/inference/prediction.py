"""The likeliest class of pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_runtime.data.bounds import room
from tbft_runtime.data.items import Item
from tbft_runtime.data.listing import pictures_below
from tbft_runtime.data.pictures import read
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.signals import is_npz, items_to_answer
from tbft_runtime.data.sources import open_source
from tbft_runtime.inference.batches import in_batches, pixels_of
from tbft_runtime.inference.pictures import each_path, unreadable_picture
from tbft_runtime.inference.predictor import Predictor


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """The likeliest class of one image, its probability, and where there are several, the exit that answered.

    `unknown`: whether it looks like none of the classes; None where the bundle was exported without source images.
    Of a bank, `domain` is the one that answered, and `fits` whether the images around it look like any of its domains.
    `image` is its name as the system has it, by which it can be opened.
    """

    image: str
    label: str
    probability: float
    exit: str | None = None
    unknown: bool | None = None
    domain: str | None = None
    fits: bool | None = None


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
        TbftError: There is no such model or file, or, when all others were answered, a picture that was named itself
            cannot be read, or none can.
        DivergedError: The model answers with what are no finite numbers.

    Example:
        >>> from tbft_runtime import predict
        >>> for found in predict("run", ["photo.png", "photos/ant"]):
        ...     print(found.image, found.label)
        photo.png bee
        photos/ant/0000.png ant
        ...
    """
    return answered(model_path, inputs, threads, lambda name, _problem: on_skipped(name), expect_id)


def answered(
    model_path: str | os.PathLike[str],
    inputs: Iterable[str | os.PathLike[str]],
    threads: int | None,
    on_skipped: Callable[[str, str], None],
    expect_id: str | None = None,
) -> Iterator[Prediction]:
    """As `predict`; `on_skipped` gets the name of each picture that is skipped, and why it cannot be read.

    Raises TbftError for pictures that were named themselves only once all others are answered.
    """
    predictor = Predictor.open(model_path, threads, expect_id)
    pictures = Pictures(predictor.model.preprocessing, predictor.model.classes, on_skipped)
    for batch in in_batches(pictures.of(inputs), predictor.model.preprocessing.shape):
        for item, found in zip(batch, predictor.answers(pixels_of(batch)), strict=True):
            sure = float(found.probabilities.max())
            yield Prediction(item.name, found.label, sure, found.exit, found.unknown)
    if pictures.unreadable:
        raise pictures.unreadable[0]


@dataclass
class Pictures:
    """What the user named, read; `unreadable` are those of which there is nothing to answer."""

    preprocessing: Preprocessing
    classes: Sequence[str]
    on_skipped: Callable[[str, str], None]
    unreadable: list[TbftError] = field(default_factory=list)

    def of(self, inputs: Iterable[str | os.PathLike[str]]) -> Iterator[Item]:
        """Each image, in order."""
        for path in each_path(inputs):
            if not path.exists():
                raise TbftError(f"'{path}' does not exist", "name a picture, a folder of pictures or an .npz file")
            if self.preprocessing.is_signal:
                yield from self._signals(path)
            elif path.is_dir():
                yield from self._folder(path)
            elif is_npz(path):
                yield from open_source(path, self.classes, self.preprocessing).items()
            else:
                picture = read(path, self.preprocessing, room(None))
                if picture.pixels is None:
                    self._refuse(unreadable_picture(str(path), picture.problem), str(path), picture.problem)
                else:
                    yield Item(str(path), NO_LABEL, picture.pixels)

    def _folder(self, folder: Path) -> Iterator[Item]:
        files = pictures_below(folder)
        if not files:
            raise TbftError(f"no images in '{folder}'", "JPEG and PNG files are read")
        there_is, count = room(None), 0
        for file in files:
            picture = read(file, self.preprocessing, there_is)
            if picture.pixels is None:
                self.on_skipped(str(file), picture.problem)
            else:
                count += 1
                yield Item(str(file), NO_LABEL, picture.pixels)
        if not count:
            self.unreadable.append(
                TbftError(f"none of the {len(files)} pictures in '{folder}' can be read", "copy them again")
            )

    def _signals(self, path: Path) -> Iterator[Item]:
        count = 0
        for item in items_to_answer(path, self.classes, self.preprocessing):
            if item.pixels is None:
                self.on_skipped(item.name, item.problem)
            else:
                count += 1
                yield item
        if not count:
            self.unreadable.append(TbftError(f"no window in '{path}' can be read", "see what was said of each"))

    def _refuse(self, error: TbftError, name: str, problem: str) -> None:
        """The first one is what the command ends with; of the others it is told meanwhile."""
        if self.unreadable:
            self.on_skipped(name, problem)
        self.unreadable.append(error)
