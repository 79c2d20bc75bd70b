"""Labelled windows cut out of tables of text."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL, UNLABELLED
from tbft_artifacts.preprocessing import CutWindows
from tbft_runtime.data.csv_table import Row, read_rows
from tbft_runtime.data.items import Item
from tbft_runtime.data.npz_archive import MOST_IMAGES
from tbft_runtime.data.pictures import checksum
from tbft_runtime.data.preprocessing import Preprocessing


class CsvWindows:
    """Windows of tables, file by file; one window is in memory at a time. Labels are read when it is made."""

    def __init__(
        self, files: Sequence[Path], classes: Sequence[str] | None, preprocessing: Preprocessing, step: CutWindows
    ) -> None:
        self.dtype = np.dtype(np.float32)
        self._files = files
        self._step = step
        self._shape = preprocessing.shape
        known = None if classes is None else frozenset((*classes, "", UNLABELLED))
        texts: list[str] = []
        # Of equal texts one is kept: there are as many as windows.
        same: dict[str, str] = {}
        for window in (window for file in files for window in self._windows(file, known)):
            if len(texts) == MOST_IMAGES:
                raise TbftError(f"there are more than {MOST_IMAGES:,} windows", "give fewer files")
            label = window.label
            texts.append(same.setdefault(label, label))
        self.classes: Sequence[str] | None = sorted({*texts} - {"", UNLABELLED}) if classes is None else classes
        numbers = {name: number for number, name in enumerate(self.classes)}
        self.labels = np.array([numbers.get(text, NO_LABEL) for text in texts], np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def items(self) -> Iterator[Item]:
        numbers = iter(self.labels)
        size = 2 * self._shape.values * self.dtype.itemsize
        for file in self._files:
            for index, window in enumerate(self._windows(file, None)):
                label = int(next(numbers, NO_LABEL))
                yield Item(f"{file.name}[{index}]", label, window.values, window.problem, size)

    def fingerprint(self) -> str:
        content = [(file.name, checksum(file)) for file in self._files]
        return hashlib.sha256(repr(content).encode() + msgspec.json.encode(self._step)).hexdigest()[:16]

    def _windows(self, file: Path, known: Set[str] | None) -> Iterator[_Window]:
        """Each window of a table: the same object, which shows one after the other."""
        window = _Window(self._shape.width, len(self._step.columns))
        for count, row in enumerate(read_rows(file, self._step), 1):
            if known is not None and row.label not in known:
                raise TbftError(
                    f"'{row.label[:40]}' in column '{self._step.label}' of '{file}' is no class of the bundle",
                    f"classes: {', '.join(sorted(known - {'', UNLABELLED}))}; leave it empty where there is no label",
                )
            window.add(row)
            if count >= window.length and (count - window.length) % self._step.stride == 0:
                yield window


@dataclass
class _Window:
    """The last `length` rows of a table."""

    length: int
    channels: int
    _labels: Counter[str] = field(default_factory=Counter)
    _last: dict[str, int] = field(default_factory=dict)
    _rows: deque[str] = field(default_factory=deque)
    _bad: deque[tuple[int, str]] = field(default_factory=deque)
    _count: int = 0

    def __post_init__(self) -> None:
        self._ring = np.empty((self.length, self.channels), np.float32)

    def add(self, row: Row) -> None:
        """One row more; the oldest one goes."""
        if len(self._rows) == self.length:
            gone = self._rows.popleft()
            self._labels[gone] -= 1
            if not self._labels[gone]:
                del self._labels[gone], self._last[gone]
        self._rows.append(row.label)
        self._labels[row.label] += 1
        self._last[row.label] = self._count
        self._ring[self._count % self.length] = row.values
        if row.problem:
            self._bad.append((self._count, row.problem))
        elif row.gap:
            # It parts a window in two only where the row before is in it as well.
            self._bad.append((self._count - 1, row.gap))
        self._count += 1
        while self._bad and self._bad[0][0] < self._count - self.length:
            self._bad.popleft()

    @property
    def label(self) -> str:
        return max(self._labels, key=lambda text: (self._labels[text], self._last[text]))

    @property
    def problem(self) -> str:
        return self._bad[0][1] if self._bad else ""

    @property
    def values(self) -> np.ndarray | None:
        """(C, 1, L); None where a row is missing or broken."""
        if self._bad:
            return None
        begin = self._count % self.length
        rows = np.concatenate([self._ring[begin:], self._ring[:begin]])
        return np.ascontiguousarray(rows.T[:, np.newaxis])
