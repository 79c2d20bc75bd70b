"""What is forgotten, on the command line: shown where accuracy is, and refused with a way out where nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.bundles import EVERYTHING, KEPT, compiled
from support.commands import Ended, refused

Command = Callable[..., Ended]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("forgetting") / "run"


def trained(command: Command, run: Path, squares: Path) -> Path:
    """The run of a plan with kept images; made once."""
    if not run.exists():
        asked = ("--plan", EVERYTHING, "--epochs", "3", "--remember", "0.25", "--distill", "0.1", "--threads", "1")
        ended = command("train", compiled(KEPT), "--data", squares, "--out", run, *asked)
        assert ended.code == 0, ended.err
        assert "old-data accuracy" in ended.out
    return run


def test_inspect_shows_what_is_kept(command: Command) -> None:
    ended = command("inspect", compiled(KEPT))
    assert ended.code == 0
    assert "kept source images" in ended.out
    assert "kept source" not in command("inspect", compiled("output-frozen")).out


def test_report_and_markdown_have_the_curve(command: Command, run: Path, squares: Path) -> None:
    for form in ("table", "markdown"):
        ended = command("report", trained(command, run, squares), "--format", form)
        assert "old-data accuracy" in ended.out
        assert "Between the base model (0) and the trained one (1)" in ended.out
    assert "25.0% of each batch" in ended.out


@pytest.mark.parametrize("blend", ["auto", "0.3", "0", "1"])
def test_finalize_takes_a_blend(blend: str, command: Command, run: Path, squares: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    asked = ("finalize", trained(command, run, squares), "--out", out, "--allow-worse", "--blend", blend)
    ended = command(*asked)
    assert ended.code == 0, ended.err
    assert "of the kept source data" in ended.err
    if blend != "auto":
        assert ("of the way to the trained weights" in ended.err) is (blend != "1")


@pytest.mark.parametrize("blend", ["half", "1.5", "-1", "nan", ""])
def test_finalize_refuses_what_is_no_part(
    blend: str, command: Command, run: Path, squares: Path, tmp_path: Path
) -> None:
    asked = ("finalize", trained(command, run, squares), "--out", tmp_path / "model.onnx", "--blend", blend)
    assert "--blend" in refused(command(*asked)).message


def test_without_kept_images_the_way_out_is_named(command: Command, squares: Path, tmp_path: Path) -> None:
    asked = ("train", compiled("output-frozen"), "--data", squares, "--out", tmp_path / "run", "--epochs", "3")
    assert "--keep" in refused(command(*asked, "--remember", "0.3")).hint
    assert command(*asked).code == 0
    out = ("--out", tmp_path / "model.onnx", "--blend", "auto", "--allow-worse")
    assert "--keep" in refused(command("finalize", tmp_path / "run", *out)).hint
