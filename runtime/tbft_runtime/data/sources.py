"""Where labelled images come from: an `.npz` file or a folder with a folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_runtime.data.folder import FolderSource
from tbft_runtime.data.items import ImageSource
from tbft_runtime.data.listing import unreadable
from tbft_runtime.data.npz import NpzSource
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.signals import is_npz, open_signals


def open_source(
    path: Path,
    classes: Sequence[str] | None,
    preprocessing: Preprocessing,
    memory_budget: int | None = None,
    *,
    takes_loose: bool = False,
) -> ImageSource:
    """The images at `path`; without `classes`, of whatever classes they are.

    With `takes_loose` a folder of pictures without folders of classes will do. Reading them keeps the process within
    `memory_budget` bytes, if there is one. Raises TbftError if there is nothing to read, or labels and class names do
    not fit `classes`.
    """
    try:
        if preprocessing.is_signal:
            return open_signals(path, classes, preprocessing)
        if path.is_dir():
            return FolderSource(path, classes, preprocessing, memory_budget, takes_loose=takes_loose)
        if is_npz(path) and path.is_file():
            return NpzSource(path, classes, preprocessing, memory_budget)
        problem = "is neither a folder nor an .npz file" if path.exists() else "does not exist"
    except OSError as error:
        raise unreadable(error) from error
    raise TbftError(f"data '{path}' {problem}", "give an .npz (images, labels) or a folder with a folder per class")
