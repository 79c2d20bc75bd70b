"""Where labelled windows and patches of sensors come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_artifacts.preprocessing import CutWindows, Sound
from tbft_runtime.data.bounds import room
from tbft_runtime.data.csv_windows import CsvWindows
from tbft_runtime.data.items import ImageSource, Item
from tbft_runtime.data.listing import files_below, is_of_system, unreadable
from tbft_runtime.data.npz_signals import NpzSignals
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.sounds import SoundFolder, is_recording, read_sound

_CSV = ".csv"


def open_signals(path: Path, classes: Sequence[str] | None, preprocessing: Preprocessing) -> ImageSource:
    """The windows or patches at `path`; without `classes`, of whatever classes they are.

    Raises TbftError if there are none, they cannot be read, or do not fit the network.
    """
    if is_npz(path) and path.is_file():
        return NpzSignals(path, classes, preprocessing)
    sound = _sound(preprocessing)
    if sound is not None and path.is_dir():
        # Tables beside recordings are lists of these.
        return SoundFolder(path, classes, preprocessing, sound)
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
    others = ", or a folder of .wav files with a folder per class" if sound else ", a .csv, or a folder of these"
    raise TbftError(
        f"data '{path}' {problem}",
        f"the network takes {preprocessing.shape.words}: give an .npz (windows, labels){others}",
    )


def items_to_answer(path: Path, classes: Sequence[str] | None, preprocessing: Preprocessing) -> Iterator[Item]:
    """What lies at `path`, one after the other: as `open_signals`, or a recording, or all recordings below a folder.

    Raises TbftError as it does.
    """
    sound = _sound(preprocessing)
    files = [] if sound is None else _recordings(path)
    if sound is None or not files:
        yield from open_signals(path, classes, preprocessing).items()
        return
    there_is = room(None)
    for file in files:
        found = read_sound(file, sound, preprocessing.shape.width, there_is)
        yield Item(str(file), NO_LABEL, found.pixels, found.problem, found.bytes)


def _sound(preprocessing: Preprocessing) -> Sound | None:
    return next((step for step in preprocessing.steps if isinstance(step, Sound)), None)


def _recordings(path: Path) -> list[Path]:
    if path.is_dir():
        return files_below(path, is_recording)
    return [path] if is_recording(path.name) and path.exists() else []


def _tables(path: Path) -> list[Path]:
    """The table at a path, or those in the folder itself, by name."""
    if path.is_dir():
        try:
            return sorted(file for file in path.iterdir() if _is_table(file) and not is_of_system(file.name))
        except OSError as error:
            raise unreadable(error) from error
    return [path] if _is_table(path) and path.exists() else []


def _is_table(file: Path) -> bool:
    return file.suffix.lower() == _CSV


def is_npz(path: Path) -> bool:
    """Whether a file of that name is read as an `.npz`."""
    return path.suffix.lower() == ".npz"
