"""The likeliest class of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_runtime.data.sources import PICTURE_SUFFIXES, Item, open_source, read_picture
from tbft_runtime.exits.staged import StagedModel
from tbft_runtime.graphs.sessions import default_threads
from tbft_runtime.inference.batches import in_batches, pixels_of
from tbft_runtime.inference.model import Model, open_model
from tbft_runtime.softmax import softmax


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """The likeliest class of one image, its probability, and where there are several, the exit that answered."""

    image: str
    label: str
    probability: float
    exit: str | None = None


def predict(
    model_path: Path,
    inputs: Iterable[Path],
    threads: int | None = None,
    on_skipped: Callable[[str], None] = lambda _: None,
) -> Iterator[Prediction]:
    """The likeliest class of each picture; folders and `.npz` files give all their images.

    A run with several exits answers at the first one that is sure enough.
    Pictures of a folder that cannot be read are skipped, and `on_skipped` gets their names. Raises
    TbftError for a picture that was named itself.
    """
    model = open_model(model_path, threads or default_threads())
    for batch in in_batches(_pictures(model, inputs, on_skipped)):
        answers = model.answers(pixels_of(batch))
        for item, row, found in zip(batch, softmax(answers.logits), answers.exits, strict=True):
            best = int(row.argmax())
            yield Prediction(item.name, model.classes[best], float(row[best]), found)


def _pictures(model: Model | StagedModel, inputs: Iterable[Path], on_skipped: Callable[[str], None]) -> Iterator[Item]:
    for path in inputs:
        if not path.exists():
            raise TbftError(f"'{path}' does not exist", "name a picture, a folder of pictures or an .npz file")
        if path.suffix == ".npz":
            yield from open_source(path, model.classes, model.preprocessing).items()
            continue
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURE_SUFFIXES)
        if path.is_dir() and not files:
            raise TbftError(f"no images in '{path}'", "JPEG and PNG files are read")
        for file in files if path.is_dir() else [path]:
            pixels = read_picture(file, model.preprocessing)
            if pixels is None and path.is_dir():
                on_skipped(str(file))
                continue
            if pixels is None:
                raise TbftError(f"'{file}' cannot be read as a JPEG or PNG picture", "leave it out")
            yield Item(str(file), NO_LABEL, pixels)
