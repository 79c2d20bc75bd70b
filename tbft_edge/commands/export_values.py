"""What options of `tbft-edge export` say in one word: where to, classes, sizes, and numbers of each channel."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tbft_artifacts.atomic import check_empty
from tbft_artifacts.errors import TbftError
from tbft_artifacts.structs import LARGEST_BATCH, LARGEST_IMAGE
from tbft_edge.commands.halves import extra

if TYPE_CHECKING:
    from tbft_export.options import TableOptions
    from tbft_export.sources.sound import SoundOptions


def free_place(out: Path | None) -> Path:
    """Where a bundle may be written. Raises TbftError where that was not said, or something is there."""
    if out is None:
        raise TbftError(
            "it is not said where the bundle goes",
            "give --out, a new folder or a file ending in .tar.gz; or --plan-only, which writes nothing",
        )
    # Later than the rest: it brings numpy, for which no help and no wrong option should wait.
    from tbft_artifacts.archive import check_packed_name, is_archive

    check_packed_name(out)
    if not is_archive(out):
        check_empty(out)
    elif not out.parent.is_dir():
        raise TbftError(f"folder '{out.parent}' does not exist", "make it first, or give another --out")
    return out


def classes_of(text: str | None) -> tuple[int | None, tuple[str, ...]]:
    """(number, names) of classes: a number, a text file, or names between commas. Raises TbftError for others."""
    if text is None:
        return None, ()
    if text.isdecimal():
        return int(text), ()
    path = Path(text)
    if path.is_dir():
        return None, _class_folders(path)
    if path.suffix == ".txt":
        if not path.is_file():
            raise TbftError(f"--classes file '{path}' does not exist", "one class name per line")
        try:
            # Editors on Windows put a mark ahead of the first name.
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise TbftError(f"--classes file '{path}' is no UTF-8 text", "save it as UTF-8") from error
        if any("\0" in line for line in lines):  # UTF-16 without a mark
            raise TbftError(f"--classes file '{path}' is no UTF-8 text", "save it as UTF-8")
        names = tuple(line.strip() for line in lines if line.strip())
        if not names:
            raise TbftError(f"--classes file '{path}' is empty", "one class name per line")
        return None, names
    return None, names_of(text)


def names_of(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(name.strip() for name in text.split(","))


def _class_folders(path: Path) -> tuple[str, ...]:
    """The classes of a folder of pictures, in the order that a device gives their labels."""
    with extra("export", "tbft_runtime.data.listing"):
        from tbft_runtime.data.listing import class_folders, unreadable
    try:
        names = tuple(class_folders(path))
    except OSError as error:
        raise unreadable(error) from error
    if not names:
        raise TbftError(f"--classes folder '{path}' holds no folders", "a folder per class, named like it")
    return names


def sides_of(text: str | None, option: str) -> tuple[int, int] | None:
    """(height, width) of "64" or "48x192". Raises TbftError for anything else."""
    if text is None:
        return None
    parts = text.split("x")
    sides = [int(part) for part in parts if re.fullmatch("[0-9]{1,9}", part)]
    if len(sides) != len(parts) or len(sides) > 2 or not all(1 <= side <= LARGEST_IMAGE for side in sides):
        raise TbftError(
            f"{option} '{text}' is not one or two numbers from 1 to {LARGEST_IMAGE}",
            f"for example {option} 64, or {option} 48x192: height and width",
        )
    return sides[0], sides[-1]


def part_of(text: str | None, option: str) -> int | Literal["whole"] | None:
    """Images of a part, or "whole". Raises TbftError for anything else."""
    if text is None or text == "whole":
        return None if text is None else "whole"
    if re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= LARGEST_BATCH:
        return int(text)
    raise TbftError(
        f"{option} '{text}' is neither whole nor a number of images from 1 to {LARGEST_BATCH}",
        f"for example {option} 16, or {option} whole",
    )


def channels_of(text: str | None, option: str, bounds: tuple[float, float]) -> tuple[float, ...] | None:
    """A number for each channel, or one for all, within bounds. Raises TbftError for anything else."""
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    least, largest = bounds
    if not values or not all(least <= value <= largest for value in values):
        raise TbftError(
            f"{option} '{text}' is not a number from {least:g} to {largest:g} for each channel, or one for all",
            f"for example {option} 0.485,0.456,0.406",
        )
    return values


def table_of(columns: str | None, stride: int | None, time: str, label: str, rate: float | None) -> TableOptions | None:
    """How tables become windows. Raises TbftError for that without columns."""
    from tbft_export.options import TableOptions

    if rate is not None and math.isnan(rate):  # Which no range leaves out.
        raise TbftError("--rate nan is no number of rows a second", "for example --rate 50")
    if columns is not None:
        return TableOptions(names_of(columns), stride, time, label, rate)
    if stride is not None or rate is not None:
        raise TbftError("--stride and --rate are those of tables, whose columns were not said", "give --columns")
    return None


def sound_of(rate: int | None, log_mel: str | None) -> SoundOptions | None:
    """How sound is read. Raises TbftError for features that are not three numbers, or of no sound."""
    from tbft_export.sources.sound import LogMelOptions, SoundOptions

    if rate is None:
        if log_mel is not None:
            raise TbftError("--log-mel are features of sound, whose rate was not said", "give --sound-rate")
        return None
    if log_mel is None:
        return SoundOptions(rate)
    parts = log_mel.split(",")
    numbers = [int(part) for part in parts if re.fullmatch("[0-9]{1,6}", part)]
    if len(numbers) != len(parts) or len(parts) != len(fields(LogMelOptions)):
        raise TbftError(f"--log-mel '{log_mel}' is not FRAME,HOP,BANDS", "for example --log-mel 640,320,10")
    return SoundOptions(rate, LogMelOptions(*numbers))
