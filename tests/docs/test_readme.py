"""The README is one that a person reads, and its commands run as they stand."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.commands import DEVICE, HOST, ROOT, surroundings
from support.markdown import blocks

README = (ROOT / "README.md").read_text()
# A whole export of six plans, on a machine that does other things, too.
TIMEOUT = 600
ENVIRONMENTS = {"# on the host": HOST, "# on the device": DEVICE}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies in a clone, in a folder where nothing was made yet."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "demo").symlink_to(ROOT / "demo")
    return folder


def type_in(block: str, desk: Path) -> str:
    """Run a block of commands as a person would, in the environment that its first line names; returns stdout."""
    environment = ENVIRONMENTS[block.splitlines()[0]]
    ended = subprocess.run(
        ["sh", "-euc", block],
        cwd=desk,
        env=surroundings({"PATH": f"{environment}:{os.environ['PATH']}"}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ended.returncode == 0, ended
    return ended.stdout


@pytest.mark.long
def test_the_journey_runs_as_it_is_told(desk: Path) -> None:
    """From the weights of a clone to answers of the model that is better: nothing is left to guess."""
    *before, last = blocks(README, "sh")
    assert [block.splitlines()[0] for block in (*before, last)] == [*ENVIRONMENTS, "# on the device"]
    for block in before:
        type_in(block, desk)
    assert (desk / "run" / "report.html").is_file()
    answers = [line.split("\t") for line in type_in(last, desk).splitlines()]
    assert len(answers) == 539
    assert {len(answer) for answer in answers} == {3}
    assert (desk / "model.onnx").is_file()


def test_the_readme_is_short() -> None:
    """What has more to say has a page of its own."""
    assert len(README.splitlines()) <= 250
