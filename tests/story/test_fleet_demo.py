"""The fleet's demo comes out: three boards, real Ansible, TUF and Flower, from the first release to learned weights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.boards import ANSIBLE, sshd
from support.commands import ROOT

BOARDS = ("pi1", "pi2", "pi3")
# Of each group a release of the same bundle: 1 is the garden's, and 2 the porch's.
FIRST = {"pi1": 2, "pi2": 2, "pi3": 1}
PORCH = ["pi1", "pi2"]
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
    assert good["runs"] == FIRST


def test_boards_are_in_network_namespaces_where_they_can_be(told: list[dict[str, Any]]) -> None:
    """Else it says why, and this test, too."""
    addresses, why_not = told[1]["namespaces"], told[1]["why_not"]
    if not _namespaces_can_be_made():
        assert why_not
        pytest.skip(f"boards were on loopback: {why_not}")
    assert why_not == ""
    assert set(addresses) == set(BOARDS)
    assert len(set(addresses.values())) == len(BOARDS)
    assert all(address.startswith("10.77.") for address in addresses.values())


def test_a_bad_release_reaches_one_board_and_is_given_back(told: list[dict[str, Any]]) -> None:
    """By its own gate, on its own photos; the others never saw it."""
    bad = told[2]
    assert bad["outcome"]["number"] == 3
    assert "accuracy failed" in bad["outcome"]["why"]
    assert bad["runs"] == FIRST


def test_two_boards_drift_and_only_those_take_part(told: list[dict[str, Any]]) -> None:
    """A node was begun on the third, too, and it is right as before: nobody asks it."""
    learned = told[3]
    assert learned["drifted"] == PORCH
    assert [learned["own"][board] for board in PORCH] == [0, 0]
    assert learned["own"]["pi3"] > 0.95
    assert set(learned["alone"]) == set(PORCH)
    assert learned["took_part"] == [PORCH, PORCH]


def test_together_they_learn_what_none_learns_alone(told: list[dict[str, Any]]) -> None:
    """On digits that no board has; each board sends the last layer, a small part of the network."""
    learned, released = told[3], told[4]
    assert learned["before"] < 0.1
    assert max(learned["alone"].values()) < 0.6
    assert released["after"] > 0.95
    assert learned["bytes"] * 100 < learned["model_bytes"]
    assert released["delta_bytes"] * 100 < released["bundle_bytes"]


def test_what_they_learned_is_a_release_for_them_and_the_third_is_left_alone(told: list[dict[str, Any]]) -> None:
    """It was offered to all of them; who is of another group keeps what it runs, and that is right there as before."""
    released, looked = told[4], told[5]
    assert released["runs"] == {"pi1": 4, "pi2": 4, "pi3": 1}
    assert min(looked["own"].values()) > 0.95


def test_the_page_shows_every_board(told: list[dict[str, Any]]) -> None:
    """As the host believes after checking who signed what."""
    page = Path(told[5]["page"]).read_text(encoding="utf-8")
    assert told[5]["devices"] == told[4]["runs"]
    assert [word for word in (*BOARDS, "porch", "garden") if word not in page] == []


def _namespaces_can_be_made() -> bool:
    """Found out by iproute2 alone, beside the demo; it wants an sshd that answers in them, too."""
    tool = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if tool is None or sshd() is None:
        return False
    name = f"tbft-try-{os.getpid()}"
    words = ([tool, "netns", "add", name], [tool, "netns", "exec", name, "true"])
    try:
        return all(subprocess.run(each, capture_output=True, check=False).returncode == 0 for each in words)
    finally:
        subprocess.run([tool, "netns", "delete", name], capture_output=True, check=False)
