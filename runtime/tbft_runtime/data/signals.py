"""Where labelled windows and patches of sensors come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_runtime.data.items import ImageSource
from tbft_runtime.data.npz_signals import NpzSignals
from tbft_runtime.data.preprocessing import Preprocessing


def open_signals(path: Path, classes: Sequence[str] | None, preprocessing: Preprocessing) -> ImageSource:
    """The windows or patches at `path`; without `classes`, of whatever classes they are.

    Raises TbftError if there are none, or they do not fit the network.
    """
    if is_npz(path) and path.is_file():
        return NpzSignals(path, classes, preprocessing)
    problem = "is no .npz file" if path.exists() else "does not exist"
    raise TbftError(
        f"data '{path}' {problem}", f"the network takes {preprocessing.shape.words}: give an .npz (windows, labels)"
    )


def is_npz(path: Path) -> bool:
    """Whether a file of that name is read as an `.npz`."""
    return path.suffix.lower() == ".npz"
