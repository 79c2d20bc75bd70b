"""Signals of strangers: tables, recordings and windows whose bytes, cells, headers or kinds are odd."""

from __future__ import annotations

import io
import wave
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.mutations import change_file
from support.hostile import EVIL

MOTION, HUM = "motion", "hum"
_ROWS, _CHANNELS, _LENGTH, _RATE = 200, 3, 32, 800
_CELLS = (
    "",
    "nan",
    "inf",
    "-1e400",
    "1e39",
    "x",
    EVIL,
    '"',
    '"\n\n',
    "\0",
    "9" * 5000,
    "٣",
    "1_0",
    "0x10",
    " 1 ",
    "🙂",
)


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """A data set of one kind in which something is odd."""
    kind = rng.choice(("table", "table", "cells", "recording", "recordings", "windows"))
    if kind in ("recording", "recordings"):
        return _recording(desk, rng, folder)
    if kind == "windows":
        return _windows(desk, rng, folder)
    content, what = _cells(rng) if kind == "cells" else _bytes_of(_table(), rng)
    (folder / "data.csv").write_bytes(content)
    return _any_command(f"{kind}: {what}", desk, MOTION, "data.csv", rng)


def _any_command(what: str, desk: Desk, bundle: str, data: str, rng: Random) -> Case:
    model = str(desk.bundle(bundle))
    match rng.randrange(3):
        case 0:
            return Case(what, ("predict", model, data, "--threads", "1", "--json"))
        case 1:
            return Case(what, ("eval", model, "--data", data, "--threads", "1", "--json"))
        case _:
            plan = ("--plan", "output-frozen-sgd") if bundle == MOTION else ()
            return commands.train(what, desk, model, *plan, data=data)


def _rows() -> list[list[str]]:
    values = np.random.default_rng(0).standard_normal((_ROWS, _CHANNELS)).round(3)
    names = ("ant", "bee", "cat", "dog")
    rows = [["time", "ax", "ay", "az", "label"]]
    return rows + [[f"{row / 50:.2f}", *map(str, values[row]), names[row // 50]] for row in range(_ROWS)]


def _table() -> bytes:
    return "".join(f"{','.join(row)}\n" for row in _rows()).encode()


def _bytes_of(content: bytes, rng: Random) -> tuple[bytes, str]:
    changed = change_file(content, rng)
    return changed.value, changed.what


def _cells(rng: Random) -> tuple[bytes, str]:
    """Some cells, of the first row more often than of others."""
    rows, told = _rows(), []
    for _ in range(rng.randint(1, 4)):
        row = 0 if rng.random() < 0.3 else rng.randrange(len(rows))
        cell, text = rng.randrange(len(rows[row])), rng.choice(_CELLS)
        rows[row][cell] = text
        told.append(f"{row}:{cell}={text[:20]!r}")
    content = "".join(f"{','.join(row)}\n" for row in rows)
    return content.encode("utf-8", "surrogatepass"), ", ".join(told)


def _sound(rng: Random, *, odd: bool) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(rng.choice((1, 2, 7)) if odd else 1)
        file.setsampwidth(rng.choice((1, 2, 3, 4)) if odd else 2)
        file.setframerate(rng.choice((1, 44100, 10**8)) if odd else _RATE)
        file.writeframes(rng.randbytes(rng.choice((0, 1, 400, 4000)) if odd else 400))
    return written.getvalue()


def _recording(desk: Desk, rng: Random, folder: Path) -> Case:
    """A folder per class, in which the bytes or the kind of one recording are odd."""
    for name in ("ant", "bee", "cat", "dog"):
        (folder / "data" / name).mkdir(parents=True)
        for number in range(3):
            (folder / "data" / name / f"{number}.wav").write_bytes(_sound(rng, odd=False))
    content, what = _bytes_of(_sound(rng, odd=False), rng) if rng.random() < 0.7 else (_sound(rng, odd=True), "kind")
    (folder / "data" / "ant" / "odd.wav").write_bytes(content)
    data = "data/ant/odd.wav" if rng.random() < 0.3 else "data"
    what = f"recording: {what}"
    if data != "data":
        return Case(what, ("predict", str(desk.bundle(HUM)), data, "--threads", "1", "--json"))
    return _any_command(what, desk, HUM, data, rng)


def _windows(desk: Desk, rng: Random, folder: Path) -> Case:
    values = np.random.default_rng(0).standard_normal((40, _CHANNELS, _LENGTH)).astype(np.float32)
    kinds: dict[str, Any] = {
        "as they are": values,
        "int16": (values * 1000).astype(np.int16),
        "not finite": np.where(values > 1, np.float32(np.inf), values),
        "huge": np.clip(values, -1, 1) * np.float32(3e38),
        "doubles": values.astype(np.float64),
        "halves": values.astype(np.float16),
        "big-endian": values.astype(">f4"),
        "complex": values.astype(np.complex64),
        "bytes": values.astype(np.int8),
        "with a height": values[:, :, None],
        "turned": values.transpose(0, 2, 1).copy(),
        "fortran": np.asfortranarray(values),
        "none": values[:0],
        "texts": np.array(["x"] * 40),
        "objects": np.array([{}] * 40, object),
    }
    kind = rng.choice(sorted(kinds))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, array in {
            rng.choice(("windows", "patches", "images")): kinds[kind],
            "labels": np.arange(40) % 4,
        }.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=array.dtype == object)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    (folder / "data.npz").write_bytes(written.getvalue())
    return _any_command(f"windows: {kind}", desk, MOTION, "data.npz", rng)
