"""`train --labels none` on the terminal, on the page and in JSON: what was done, and that nobody verified it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from support.bundles import ALL_DRIFTS, compiled
from support.in_process import run_in_process
from support.toys import NO_LABEL, coloured_squares

QUIET = ("--threads", "1", "--meter", "none", "--epochs", "1")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares without labels."""
    path = tmp_path_factory.mktemp("pool") / "pool.npz"
    np.savez(path, images=coloured_squares(48)[0], labels=np.full(48, NO_LABEL))
    return path


def test_everything_says_that_nobody_verified_it(pool: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Terminal, page and report; the report's tables say what was done and how much was left out."""
    words = ("train", compiled(ALL_DRIFTS), "--data", pool, "--labels", "none", "--drift", "input", *QUIET)
    ended = run_in_process(capfd, *words, "--out", tmp_path / "run")
    assert ended.code == 0
    assert "not verified: no label decided" in ended.err + ended.out
    assert "--check-labels 50" in ended.err + ended.out
    assert "not verified: no label decided" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    result = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))["result"]
    assert (result["verified"], result["labels"]) == (False, "none")
    shown = run_in_process(capfd, "report", tmp_path / "run")
    for words_of_it in ("Without labels", "unsure, left out", "its own", "answers as it came", "not verified"):
        assert words_of_it in shown.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--labels", "none", "--drift", "output"), "changed their names"),
        (("--labels", "some", "--drift", "input"), "--labels"),
        (("--check-labels", "20", "--drift", "input"), "--check-labels is for --labels none"),
        (("--labels", "none", "--drift", "input", "--check-labels", "20"), "--check-labels 20 asks for more"),
    ],
)
def test_refusals_name_options(
    options: tuple[str, ...], told: str, pool: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, before anything is written."""
    words = ("train", compiled(ALL_DRIFTS), "--data", pool, *options, *QUIET, "--out", tmp_path / "run")
    ended = run_in_process(capfd, *words)
    assert ended.code == 2
    assert told in ended.err
    assert not (tmp_path / "run").exists()
