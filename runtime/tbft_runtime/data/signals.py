"""Where labelled windows and patches of sensors come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_artifacts.preprocessing import CutWindows
from tbft_runtime.data.csv_windows import CsvWindows
from tbft_runtime.data.items import ImageSource
from tbft_runtime.data.listing import is_of_system
from tbft_runtime.data.npz_signals import NpzSignals
from tbft_runtime.data.preprocessing import Preprocessing

_CSV = ".csv"


def open_signals(path: Path, classes: Sequence[str] | None, preprocessing: Preprocessing) -> ImageSource:
    """The windows or patches at `path`; without `classes`, of whatever classes they are.

    Raises TbftError if there are none, or they do not fit the network, and OSError for a folder that cannot be read.
    """
    if is_npz(path) and path.is_file():
        return NpzSignals(path, classes, preprocessing)
    tables = _tables(path)
    if tables:
        step = next((step for step in preprocessing.steps if isinstance(step, CutWindows)), None)
        if step is None:
            raise TbftError(
                f"the network does not say how '{tables[0]}' becomes windows",
                "export it with `columns`, or give an .npz (windows, labels)",
            )
        return CsvWindows(tables, classes, preprocessing, step)
    problem = "holds no windows" if path.exists() else "does not exist"
    raise TbftError(
        f"data '{path}' {problem}",
        f"the network takes {preprocessing.shape.words}: give an .npz (windows, labels), a .csv, or a folder of these",
    )


def _tables(path: Path) -> list[Path]:
    """The table at a path, or those in the folder itself, by name."""
    if path.is_dir():
        return sorted(file for file in path.iterdir() if _is_table(file) and not is_of_system(file.name))
    return [path] if _is_table(path) and path.exists() else []


def _is_table(file: Path) -> bool:
    return file.suffix.lower() == _CSV


def is_npz(path: Path) -> bool:
    """Whether a file of that name is read as an `.npz`."""
    return path.suffix.lower() == ".npz"
