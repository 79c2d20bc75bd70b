"""Recordings become as many samples as the network takes; what is odd is left out and named."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import InputShape
from tbft_artifacts.preprocessing import Sound, Standardize
from tbft_runtime.data import sounds
from tbft_runtime.data.bounds import Room
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.signals import items_to_answer
from tbft_runtime.data.sounds import read_sound
from tbft_runtime.data.sources import open_source
from tbft_runtime.data.store import open_store
from tbft_runtime.inference.pictures import prepared

RATE, LENGTH = 800, 20
SAMPLES = np.arange(-15, 15).astype(np.int16) * 1000
PREPROCESSING = Preprocessing((Sound(RATE), Standardize((0.0,), (32768.0,))), InputShape(1, 1, LENGTH))


def save(path: Path, samples: np.ndarray, rate: int = RATE, width: int = 2) -> Path:
    """samples (L,) or (L, channels) as PCM."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def samples_of(path: Path) -> tuple[list[int] | None, str]:
    found = read_sound(path, Sound(RATE), LENGTH, Room(None))
    return None if found.pixels is None else found.pixels[0, 0].tolist(), found.problem


def test_the_first_samples_are_taken(tmp_path: Path) -> None:
    assert samples_of(save(tmp_path / "x.wav", SAMPLES)) == (SAMPLES[:LENGTH].tolist(), "")


def test_zeros_follow_a_short_recording(tmp_path: Path) -> None:
    assert samples_of(save(tmp_path / "x.wav", SAMPLES[:3])) == (SAMPLES[:3].tolist() + [0] * (LENGTH - 3), "")


def test_two_channels_are_averaged_without_an_overflow(tmp_path: Path) -> None:
    both = np.array([[32767, 32767], [-32768, -32768], [1, 2], [-1, -2]], np.int16)
    assert samples_of(save(tmp_path / "x.wav", both)) == ([32767, -32768, 1, -2] + [0] * (LENGTH - 4), "")


ODD = {
    "another rate": ({"rate": 44100}, SAMPLES, "it has 44,100 samples a second, and the network takes 800"),
    "bytes": ({"width": 1}, SAMPLES.astype(np.uint8), "it has 1 channels of 8 bits, not 1 or 2 of 16"),
    "three channels": ({}, np.zeros((4, 3), np.int16), "it has 3 channels of 16 bits, not 1 or 2 of 16"),
    "nothing": ({}, SAMPLES[:0], "it holds no samples"),
}


@pytest.mark.parametrize(("how", "samples", "problem"), ODD.values(), ids=ODD.keys())
def test_odd_recordings_are_not_converted(
    how: dict[str, int], samples: np.ndarray, problem: str, tmp_path: Path
) -> None:
    """Resampling would need a filter of its own, and a device would hear something else than the host."""
    assert samples_of(save(tmp_path / "x.wav", samples, **how)) == (None, problem)


@given(st.data())
def test_no_bytes_end_in_anything_else_than_a_problem(data: st.DataObject) -> None:
    """Whatever stands in the header."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "x.wav", SAMPLES)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, 47))] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        found = read_sound(path, Sound(RATE), LENGTH, Room(None))
        assert (found.pixels is None) == bool(found.problem)


def test_no_recording_is_larger_than_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "x.wav", SAMPLES)
    assert "of memory there are" in read_sound(path, Sound(RATE), LENGTH, Room(1)).problem
    monkeypatch.setattr(sounds, "MOST_FILE_BYTES", 10)
    assert "its file has more than" in samples_of(path)[1]
    assert samples_of(tmp_path)[1]


def test_a_folder_per_class_is_read_and_kept(tmp_path: Path) -> None:
    """Stored as int16, and what cannot be read is named."""
    save(tmp_path / "data" / "yes" / "a.wav", SAMPLES)
    save(tmp_path / "data" / "no" / "b.WAV", SAMPLES[:3])
    save(tmp_path / "data" / "unlabelled" / "c.wav", SAMPLES[1:])
    (tmp_path / "data" / "yes" / "d.wav").write_text("no sound")
    (tmp_path / "data" / "yes" / "notes.txt").write_text("no sound")
    source = open_source(tmp_path / "data", ("yes", "no"), PREPROCESSING)
    store = open_store(source, PREPROCESSING.row_shape, tmp_path / "cache", "train")
    assert store.labels.tolist() == [1, -1, 0]
    assert store.skipped == ("yes/d.wav",)
    rows = store.pixels.read(np.arange(3))
    assert rows.dtype == np.int16
    np.testing.assert_array_equal(rows[2, 0, 0], SAMPLES[:LENGTH])
    np.testing.assert_allclose(PREPROCESSING.normalize(rows)[2, 0, 0], SAMPLES[:LENGTH] / 32768)


def test_recordings_are_answered_one_by_one_and_by_folder(tmp_path: Path) -> None:
    path = save(tmp_path / "data" / "a" / "x.wav", SAMPLES)
    save(tmp_path / "data" / "b" / "c" / "y.wav", SAMPLES)
    assert [item.name for item in items_to_answer(path, None, PREPROCESSING)] == [str(path)]
    assert len(list(items_to_answer(tmp_path / "data", None, PREPROCESSING))) == 2


def test_recordings_without_a_class_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "x.wav", SAMPLES)
    with pytest.raises(TbftError, match="holds 1 recordings, and none in the folder of a class"):
        open_source(tmp_path, ("yes", "no"), PREPROCESSING)


def test_samples_from_minus_one_to_one_are_refused(tmp_path: Path) -> None:
    """As other libraries read recordings: divided by 32,768 once more they would be silence."""
    values = np.zeros((2, 1, LENGTH), np.float32)
    np.savez(tmp_path / "x.npz", windows=values)
    with pytest.raises(TbftError, match=r"'windows' of .* is float32") as caught:
        open_source(tmp_path / "x.npz", None, PREPROCESSING)
    assert "save int16 values" in caught.value.hint
    with pytest.raises(TbftError, match=r"windows are float32 .*, not int16 \(N, 1, 1, 20\)"):
        list(prepared(values, PREPROCESSING))
    np.savez(tmp_path / "x.npz", windows=values.astype(np.int16))
    assert len(open_source(tmp_path / "x.npz", None, PREPROCESSING)) == 2


def test_tables_beside_recordings_are_passed_over(tmp_path: Path) -> None:
    """Data sets of sounds come with lists of what is in them."""
    save(tmp_path / "yes" / "a.wav", SAMPLES)
    (tmp_path / "files.csv").write_text("file,speaker\na.wav,7\n")
    assert len(open_source(tmp_path, ("yes", "no"), PREPROCESSING)) == 1
