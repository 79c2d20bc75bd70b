"""Recordings of sound: one file each, in a folder per class."""

from __future__ import annotations

import struct
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from tbft_artifacts.preprocessing import Sound
from tbft_artifacts.regular import open_regular
from tbft_runtime.data.bounds import MOST_FILE_BYTES, Room
from tbft_runtime.data.files import ChecksummedFile
from tbft_runtime.data.folder import FolderSource
from tbft_runtime.data.listing import is_of_system
from tbft_runtime.data.pictures import DAMAGED, Picture
from tbft_runtime.data.preprocessing import Preprocessing

SUFFIX = ".wav"
_SAMPLE = np.dtype("<i2")
_MOST_CHANNELS = 2
# Of a sample: as it is read, summed, and kept.
_BYTES = 16
# What Python's reader raises for files that are none.
_DAMAGED = (wave.Error, EOFError, ValueError, RuntimeError, struct.error)


class SoundFolder(FolderSource):
    """Recordings in a folder per class."""

    kind = "recordings"

    def __init__(self, path: Path, classes: Sequence[str] | None, preprocessing: Preprocessing, step: Sound) -> None:
        self._step = step
        super().__init__(path, classes, preprocessing)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.int16)

    def _listed(self, folder: Path) -> list[Path]:
        return recordings_in(folder)

    def _read(self, file: Path, there_is: Room) -> Picture:
        return read_sound(file, self._step, self.preprocessing.shape.width, there_is)


def recordings_in(folder: Path) -> list[Path]:
    """The recordings in a folder itself, by name. Raises OSError if it cannot be read."""
    return sorted(file for file in folder.iterdir() if is_recording(file.name))


def is_recording(name: str) -> bool:
    """Whether a file of that name is read as sound."""
    return Path(name).suffix.lower() == SUFFIX and not is_of_system(name)


def read_sound(file: Path, step: Sound, length: int, there_is: Room) -> Picture:
    """The first `length` samples of a recording, (1, 1, length) int16; of a damaged or other one there are none."""
    try:
        with open_regular(file) as opened:
            content = ChecksummedFile(opened)
            if content.size > MOST_FILE_BYTES:
                return Picture(None, f"its file has more than {MOST_FILE_BYTES >> 20} MiB", None)
            needed = _BYTES * length
            if problem := there_is.problem(needed):
                return Picture(None, problem, content.checksum())
            values, problem = _samples(content, step, length)
            return Picture(values, problem, content.checksum(), needed)
    except OSError as error:
        return Picture(None, error.strerror or DAMAGED, None)


def _samples(file: ChecksummedFile, step: Sound, length: int) -> tuple[np.ndarray | None, str]:
    stream: IO[bytes] = file  # type: ignore[assignment]
    try:
        with wave.open(stream, "rb") as sound:
            channels, width, rate = sound.getnchannels(), sound.getsampwidth(), sound.getframerate()
            if width != _SAMPLE.itemsize or not 1 <= channels <= _MOST_CHANNELS:
                return None, f"it has {channels} channels of {8 * width} bits, not 1 or 2 of 16"
            if rate != step.rate:
                return None, f"it has {rate:,} samples a second, and the network takes {step.rate:,}"
            content = sound.readframes(length)
    except _DAMAGED:
        return None, DAMAGED
    frames = np.frombuffer(content[: len(content) // (channels * width) * channels * width], _SAMPLE)
    if not frames.size:
        return None, "it holds no samples"
    # Towards the lower one where the mean of two lies between numbers.
    mean = frames.reshape(-1, channels).sum(axis=1, dtype=np.int32) // channels
    values = np.zeros((1, 1, length), np.int16)
    values[0, 0, : len(mean)] = mean
    return values, ""
