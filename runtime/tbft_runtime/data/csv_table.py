"""Rows of a table of text, read one after the other, each with what is wrong with it."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.preprocessing import CutWindows
from tbft_artifacts.regular import open_regular, unreadable
from tbft_runtime.data.bounds import MOST_FILE_BYTES

_LONGEST_LINE = 1 << 16
_SEPARATORS = ",;\t"
# Of so many rows the first steps of time are looked at, to know the usual one.
_FIRST = 65
# A step of time that is longer or shorter by this share is a gap.
_UNEVEN = 0.5
# A table's rate may differ by this share from the one that the network was trained for.
_OFF = 0.1
_SHOWN, _LONGEST_NAME = 12, 40
_LARGEST = float(np.finfo(np.float32).max)


class _Record(NamedTuple):
    """The texts of a row: of its time, its channels and its label; `uneven` says that it has another length, if so."""

    line: int
    time: str
    texts: list[str]
    label: str
    uneven: str


@dataclass(frozen=True)
class Row:
    """A row: values (C,), its label's text, and what keeps it, or the step to it, from being used; empty if nothing."""

    values: np.ndarray
    label: str
    problem: str = ""
    gap: str = ""


def read_rows(path: Path, step: CutWindows) -> Iterator[Row]:
    """Every row of a table, in order. Raises TbftError for one that lacks columns, or is no table."""
    period = _period(path, step)
    before: float | None = None
    blank = np.full(len(step.columns), np.nan, np.float32)
    for line, time, texts, label, uneven in _records(path, step):
        values, problem = _numbers(texts, step.columns, line)
        problem = uneven or problem
        now = _number(time)
        if now is None:
            problem = problem or f"'{step.time}' is '{time[:20]}' in line {line}, no number"
        gap = "" if now is None or before is None or period is None else _gap(now - before, period, line)
        before = before if now is None else now
        yield Row(blank if problem else values, label, problem, gap)


def _records(path: Path, step: CutWindows) -> Iterator[_Record]:
    """The texts of every row that is not empty."""
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > MOST_FILE_BYTES:
                raise TbftError(f"data '{path}' has more than {MOST_FILE_BYTES >> 20} MiB", "split it into several")
            lines = _lines(file, path)
            first = next(lines, "")
            separator = max(_SEPARATORS, key=first.count)
            header = [name.strip() for name in next(csv.reader([first], delimiter=separator), [])]
            time, *channels = (_place(name, header, path) for name in (step.time, *step.columns))
            label = header.index(step.label) if step.label in header else None
            reader = csv.reader(lines, delimiter=separator)
            for record in reader:
                if record:
                    line, count = reader.line_num + 1, len(record)
                    texts = [record[place] if place < count else "" for place in channels]
                    is_uneven = any(map(str.strip, record[len(header) :])) or max(time, *channels) >= count
                    uneven = f"line {line} has {count} fields, and the first line {len(header)}" if is_uneven else ""
                    # In a row of another length any text may stand where the label should.
                    shown = "" if label is None or label >= count or uneven else record[label].strip()
                    yield _Record(line, record[time] if time < count else "", texts, shown, uneven)
    except csv.Error as error:
        raise TbftError(f"data '{path}' is no table of text: {error}", "save it as CSV") from error
    except OSError as error:
        raise unreadable(path, error) from error


def _lines(file: IO[bytes], path: Path) -> Iterator[str]:
    """Lines of text, none of which is endless. Raises TbftError for one that is."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
    while line := text.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise TbftError(f"data '{path}' has a line of more than {_LONGEST_LINE:,} letters", "save it as CSV")
        yield line


def _place(name: str, header: Sequence[str], path: Path) -> int:
    count = header.count(name)
    if not header:
        raise TbftError(f"data '{path}' is empty", "its first line names the columns")
    if count != 1:
        shown = [column[:_LONGEST_NAME] for column in header[:_SHOWN]]
        listed = ", ".join([*shown, "…"] if len(header) > _SHOWN else shown)
        raise TbftError(
            f"data '{path}' has {'no column' if not count else 'several columns'} '{name}'", f"its first line: {listed}"
        )
    return header.index(name)


def _numbers(texts: Sequence[str], columns: Sequence[str], line: int) -> tuple[np.ndarray, str]:
    numbers = [_number(text) for text in texts]
    for column, text, number in zip(columns, texts, numbers, strict=True):
        if number is None:
            return np.empty(0), f"'{column}' is '{text[:20]}' in line {line}, no number"
    return np.array(numbers, np.float32), ""


def _number(text: str) -> float | None:
    """A finite number that float32 holds, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) <= _LARGEST else None


def _gap(passed: float, period: float, line: int) -> str:
    if passed <= 0:
        return f"time stands still or goes back before line {line}"
    if abs(passed / period - 1) > _UNEVEN:
        return f"{passed:.4g} instead of {period:.4g} pass before line {line}"
    return ""


def _period(path: Path, step: CutWindows) -> float | None:
    """What usually passes between two rows, as the first ones show it; None where none does.

    Raises TbftError where time does not go on, or not at the rate which the network was trained for.
    """
    times = [_number(record.time) for record in islice(_records(path, step), _FIRST)]
    steps = np.diff([time for time in times if time is not None])
    if not len(steps):
        return None
    usual = float(np.median(steps))
    if usual <= 0:
        raise TbftError(
            f"time in column '{step.time}' of '{path}' stands still or goes back",
            "give rows in the order of time, which has a number of its own in each",
        )
    if isinstance(step.rate, float) and abs(usual * step.rate - 1) > _OFF:
        raise TbftError(
            f"data '{path}' has {1 / usual:.4g} rows a second, and the network was trained for {step.rate:.4g}",
            f"give rows at that rate, whose '{step.time}' is in seconds",
        )
    return usual
