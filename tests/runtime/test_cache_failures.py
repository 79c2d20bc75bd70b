"""A cache of activations that cannot be kept costs time, and never the run."""

from __future__ import annotations

import errno
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.runs import Recorder, assert_equal_runs, fine_tune
from tbft_artifacts.atomic import clear_disk_errors
from tbft_runtime.boundary import activations as boundary
from tbft_runtime.data.rows import FileRows
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.state import TrainingState

OPTIONS: dict[str, Any] = {"epochs": 3, "batch_size": 7}


def test_a_cache_that_cannot_be_opened(tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without room for another file: the run goes on without, and says so."""

    def no_space(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(boundary, "DiskCache", no_space)
    recorder = Recorder()
    result = fine_tune("feature-frozen", squares, tmp_path / "run", recorder, **OPTIONS)
    assert "No space left" in str(result.cache.reason)
    assert recorder.notes == [f"no activation cache: {result.cache.reason}"]
    fine_tune("feature-frozen", squares, tmp_path / "off", cache="off", **OPTIONS)
    assert_equal_runs(tmp_path / "run", tmp_path / "off")


def test_a_disk_that_fills_up_meanwhile(tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program takes the space: one note, and the run ends as it would have."""
    fine_tune("feature-frozen", squares, tmp_path / "whole", **OPTIONS)
    real = os.pwritev
    rows = Counter[str]()

    def pwritev(*arguments: Any) -> int:
        rows["written"] += 1
        if rows["written"] > 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments)

    monkeypatch.setattr(os, "pwritev", pwritev)
    recorder = Recorder()
    result = fine_tune("feature-frozen", squares, tmp_path / "run", recorder, **OPTIONS)
    assert 0 < result.cache.cached_images <= 20
    assert len(recorder.notes) == 1
    assert "stops growing" in recorder.notes[0]
    assert_equal_runs(tmp_path / "run", tmp_path / "whole")


def test_a_disk_that_fails(tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that cannot be read any more are computed."""
    fine_tune("feature-frozen", squares, tmp_path / "whole", **OPTIONS)
    real = FileRows.read

    def read(self: FileRows, numbers: np.ndarray) -> np.ndarray:
        if self.path.suffix == ".rows":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(self, numbers)

    monkeypatch.setattr(FileRows, "read", read)
    fine_tune("feature-frozen", squares, tmp_path / "run", **OPTIONS)
    assert_equal_runs(tmp_path / "run", tmp_path / "whole")


def test_the_cache_gives_way_to_the_state(tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk is too full for the state of an epoch, the space of the cache is used for it."""
    real = RunFolder.write_state

    def write_state(self: RunFolder, state: TrainingState) -> None:
        if state.epoch == 2 and any(path.stat().st_size for path in self.cache.glob("*.rows")):
            with clear_disk_errors(self.state_file):
                raise OSError(errno.ENOSPC, "No space left on device")
        real(self, state)

    monkeypatch.setattr(RunFolder, "write_state", write_state)
    recorder = Recorder()
    result = fine_tune("feature-frozen", squares, tmp_path / "run", recorder, **OPTIONS)
    assert result.cache.cached_images == 0
    assert len(recorder.notes) == 1
    monkeypatch.undo()
    fine_tune("feature-frozen", squares, tmp_path / "whole", **OPTIONS)
    assert_equal_runs(tmp_path / "run", tmp_path / "whole")
