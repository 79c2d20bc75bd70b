"""The fleet's demo comes out: three boards, real Ansible, TUF and Flower, from the first release to learned weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.boards import ANSIBLE
from support.commands import ROOT

BOARDS = ("pi1", "pi2", "pi3")
FEDERATED = ROOT / ".venv" / "federated"
TIMEOUT = 1500


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the demo says of each chapter, and its words."""
    if not (ANSIBLE / "ansible-playbook").exists():
        pytest.skip("no fleet was told of: Ansible is not installed (make .venv/ansible/.installed)")
    if not (FEDERATED / "bin" / "flower-superlink").exists():
        pytest.skip("no fleet was told of: flwr is not installed (make .venv/federated/.installed)")
    out = tmp_path_factory.mktemp("story") / "out"
    ended = subprocess.run(
        [sys.executable, "demo/fleet_run.py", "--device", ".venv/federated", "--out", str(out)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    sys.stdout.write(ended.stderr)
    if "nginx' is not installed" in ended.stderr:
        pytest.skip("no fleet was told of: nginx is not installed here")
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    return found


def test_every_chapter_comes_out(told: list[dict[str, Any]]) -> None:
    """A network of clean digits, and a release on every board."""
    first, good, *_ = told
    assert len(told) == 6
    assert first["accuracy"] > 0.95
    assert good["runs"] == dict.fromkeys(BOARDS, 1)


def test_a_bad_release_reaches_one_board_and_is_given_back(told: list[dict[str, Any]]) -> None:
    """By its own gate, on its own photos; the others never saw it."""
    bad = told[2]
    assert bad["outcome"]["number"] == 2
    assert "accuracy failed" in bad["outcome"]["why"]
    assert bad["runs"] == dict.fromkeys(BOARDS, 1)


def test_together_they_learn_what_none_learns_alone(told: list[dict[str, Any]]) -> None:
    """On digits that no board has; each board sends the last layer, a small part of the network."""
    learned, released = told[3], told[4]
    assert learned["before"] < 0.1
    assert set(learned["alone"]) == set(BOARDS)
    assert released["after"] > max(learned["alone"].values())
    assert released["after"] > 0.85
    assert learned["bytes"] * 100 < learned["model_bytes"]
    assert released["delta_bytes"] * 100 < released["bundle_bytes"]
    assert released["runs"] == dict.fromkeys(BOARDS, 3)


def test_the_page_shows_every_board(told: list[dict[str, Any]]) -> None:
    """As the host believes after checking who signed what."""
    page = Path(told[5]["page"]).read_text(encoding="utf-8")
    assert told[5]["devices"] == dict.fromkeys(BOARDS, 3)
    assert [board for board in BOARDS if board not in page] == []
