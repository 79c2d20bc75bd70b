"""What every source of labelled images gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.preprocessing import Noun

MOST_SKIPPED = 100_000


@dataclass(frozen=True)
class Item:
    """One image: a name to show, its label or `NO_LABEL`, and pixels (H, W, C) or a
    signal's values (C, H, W), or None if unreadable.

    `problem` says why it is, and `bytes` what reading it took at most, beside what the process held.
    """

    name: str
    label: int
    pixels: np.ndarray | None
    problem: str = ""
    bytes: int = 0


class ImageSource(Protocol):
    """Images in a fixed order, read one after the other."""

    @property
    def classes(self) -> Sequence[str] | None:
        """Names of the labels, or None where nothing says them."""

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64 of all images, unreadable ones included; `NO_LABEL` where there is none."""

    @property
    def dtype(self) -> np.dtype:
        """Of what `items` give: uint8 of pictures."""

    def __len__(self) -> int:
        """How many images there are, unreadable ones included."""

    def items(self) -> Iterator[Item]:
        """Read every image once."""

    def fingerprint(self) -> str:
        """A short hash that changes when the images or their labels do; of what `items` read, if it has."""


def check_skipped(count: int, problem: str) -> None:
    """Raises TbftError for more unreadable ones than anybody looks through: their names would fill a board's memory."""
    if count > MOST_SKIPPED:
        why = f": {problem}" if problem else ""
        raise TbftError(f"more than {MOST_SKIPPED:,} items of the data cannot be read{why}", "mend the data")


def skipped_note(skipped: Sequence[tuple[str, str]], noun: Noun, where: str = "") -> str:
    """A line that names the first of some unreadable ones (name, problem), and says why where that helps."""
    shown = ", ".join(f"'{name}' ({problem})" if problem else f"'{name}'" for name, problem in skipped[:5])
    return f"skipped {len(skipped)} unreadable {noun}s{where}: {shown}" + (", …" if len(skipped) > 5 else "")
