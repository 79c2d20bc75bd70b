"""Paths that are missing, mistaken or taken: one error line and a hint, exit code 2, and what lies there stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import Step
from support.desk import refused_here


@pytest.mark.parametrize(
    "arguments",
    [
        "tune {nowhere} --out {desk}/run",
        "tune {data} --out {desk}/run",
        "train {nowhere} --data {data} --out {desk}/run",
        "train {nowhere}.tar.gz --data {data} --out {desk}/run",
        "train {data} --data {data} --out {desk}/run",
        "eval {nowhere} --data {data}",
        "eval {nowhere}.onnx --data {data}",
        "predict {nowhere}.onnx {data}",
        "predict {model} {nowhere}.png",
        "finalize {nowhere} --out {desk}/model.onnx",
        "finalize {bundle} --out {desk}/model.onnx",
        "inspect {nowhere}",
        "inspect {nowhere}.tar.gz",
    ],
)
def test_missing_or_mistaken_paths(
    arguments: str, bundle: Path, data: Path, finalized: Step, desk: Path, tmp_path: Path
) -> None:
    """Every path argument of every device command."""
    names = {"nowhere": tmp_path / "nowhere", "data": data, "desk": desk, "bundle": bundle, "model": finalized.path}
    words = [word.format(**names) for word in arguments.split()]
    assert str(tmp_path) in refused_here(desk, *words).message or "{nowhere}" not in arguments


def test_a_run_is_not_overwritten(trained: Step, exported: Step, data: Path) -> None:
    """--out that holds a run: the hint names --resume, and the run stays."""
    assert trained.ended.code == 0
    refusal = refused_here(trained.path, "train", exported.path, "--data", data, "--out", trained.path)
    assert "--resume" in refusal.hint


def test_a_file_in_place_of_the_run(bundle: Path, data: Path, desk: Path) -> None:
    """--out that is a file."""
    (desk / "run").write_text("mine")
    assert str(desk / "run") in refused_here(desk, "train", bundle, "--data", data, "--out", desk / "run").message


def test_finalize_into_nowhere(trained: Step, desk: Path) -> None:
    """A folder that does not exist, or one in place of the file."""
    (desk / "folder.onnx").mkdir()
    for out in (desk / "nowhere" / "model.onnx", desk / "folder.onnx"):
        assert "cannot be written" in refused_here(desk, "finalize", trained.path, "--out", out).message
