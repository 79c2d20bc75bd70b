"""What a board does by itself is set up, changed and ended over SSH: a story, in its order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from support.boards import Played
from support.bundles import compiled
from support.commands import ROOT
from support.pushing import Bed
from support.sealed import Sealed, sealed, why_not
from support.services import free_port

BOARD = "pi1"
TIMER, PULL = "tbft-edge-pull.timer", "tbft-edge-pull.service"
AGENT, NODE = "tbft-edge-agent.service", "tbft-edge-node.service"
FEDERATED = ROOT / ".venv" / "federated"
# As root logs in there is no sudo to ask.
ROOTS = {"ansible_become_method": "su", "ansible_become_flags": "-s /bin/sh"}


@dataclass
class Board:
    """One that joined a fleet, and on which root installs services."""

    bed: Bed
    sealed: Sealed

    def play(self, name: str, **variables: object) -> Played:
        program = "/var/lib/tbft-edge/program"
        told = {"device_service": True, "device_prefix": program, "device_state": "/var/lib/tbft-edge/fleet"}
        return self.bed.play(
            name, fleet_hosts=BOARD, ansible_port=self.sealed.port, device_images="", **ROOTS, **{**told, **variables}
        )

    def services(self, **wishes: str) -> Played:
        played = self.play("services", **wishes)
        assert played.code == 0, played.said
        return played

    def told(self) -> list[str]:
        """What systemd was told meanwhile."""
        return self.sealed.systemctl.told()

    def says(self, unit: str, line: str) -> bool:
        return line in self.sealed.unit(unit).read_text().splitlines()

    def units(self) -> list[str]:
        return sorted(path.name for path in self.sealed.unit("").glob("tbft-edge-*"))


@pytest.fixture(scope="module")
def board(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Board:
    reason = why_not()
    if reason is not None:
        pytest.skip(f"no services were set up: {reason}")
    folder = tmp_path_factory.mktemp("services")
    made = Board(Bed(bed.boards, folder / "fleet", bed.inventory), sealed(bed.boards, "sealed", folder))
    made.bed.host("init", made.bed.fleet, "--group", "porch")
    joined = made.play("enrol", device_from="http://127.0.0.1:9/repository")
    assert joined.code == 0, joined.said
    return made


@pytest.fixture(scope="module")
def config(board: Board) -> Path:
    """The agent's, on the controller."""
    file = board.bed.fleet.with_name("porch.toml")
    file.write_text(
        f"bundle = '{compiled('kept')}'\nstate = '/var/lib/tbft-edge'\nthreads = 1\n[http]\nport = {free_port()}\n"
    )
    return file


def test_a_board_pulls_and_answers_by_itself(board: Board, config: Path) -> None:
    """With the units of the commands themselves, for their own user."""
    board.services(device_pull_every="1h", device_agent_config=str(config))
    assert board.units() == [AGENT, PULL, TIMER]
    assert board.says(TIMER, "OnUnitInactiveSec=1h")
    assert board.sealed.systemctl.runs(TIMER)
    assert board.sealed.systemctl.runs(AGENT)
    assert (board.sealed.etc / "tbft-edge" / "agent.toml").read_text() == config.read_text()
    assert board.told() == [
        "daemon-reload",
        f"enable --now {TIMER}",
        "daemon-reload",
        f"enable {AGENT}",
        f"restart {AGENT}",
    ]


def test_what_is_as_it_should_be_is_left_alone(board: Board, config: Path) -> None:
    """No unit is written again, and nothing begins anew: an agent in the middle of a training stays there."""
    before = {name: board.sealed.unit(name).stat().st_ino for name in board.units()}
    again = board.services(device_pull_every="1h", device_agent_config=str(config))
    assert again.recap[BOARD]["changed"] == 0, again.said
    assert board.told() == []
    assert {name: board.sealed.unit(name).stat().st_ino for name in board.units()} == before


def test_what_changed_is_carried_out_and_nothing_else(board: Board, config: Path) -> None:
    """An agent reads its configuration when it begins, so it begins anew; of what nothing is said stays as it is."""
    pull = board.sealed.unit(PULL).stat().st_ino
    board.services(device_pull_every="30min")
    assert board.says(TIMER, "OnUnitInactiveSec=30min")
    assert board.told() == ["daemon-reload", f"enable --now {TIMER}"]
    config.write_text(config.read_text().replace("threads = 1", "threads = 2"))
    board.services(device_agent_config=str(config))
    assert board.told() == ["daemon-reload", f"enable {AGENT}", f"restart {AGENT}"]
    assert board.sealed.unit(PULL).stat().st_ino == pull


def test_a_configuration_that_would_not_do_takes_no_ones_place(board: Board, config: Path, tmp_path: Path) -> None:
    """Else the agent that answers now would not come back after the next power cut."""
    bad = tmp_path / "bad.toml"
    bad.write_text(config.read_text() + "prot = 1\n")
    played = board.play("services", device_agent_config=str(bad))
    assert played.code != 0
    assert "prot" in played.said
    assert board.told() == []
    assert (board.sealed.etc / "tbft-edge" / "agent.toml").read_text() == config.read_text()


def test_what_is_wished_no_longer_ends(board: Board) -> None:
    """And the board's key, its releases and what the agent learned stay."""
    nothing = {"device_pull_every": "", "device_agent_config": "", "device_rounds": ""}
    board.services(**nothing)
    assert board.units() == []
    assert sorted(board.told()) == ["daemon-reload"] * 2 + [f"disable --now {name}" for name in (AGENT, TIMER)]
    assert (board.sealed.own / "fleet" / "device.toml").is_file()
    again = board.services(**nothing)
    assert again.recap[BOARD]["changed"] == 0, again.said
    assert board.told() == []


def test_a_board_waits_for_rounds(board: Board) -> None:
    """By the address alone: the certificate comes from the fleet's folder."""
    if not FEDERATED.exists():
        pytest.skip("no board waited for rounds: Flower is not installed (make .venv/federated/.installed)")
    program = board.sealed.own / "rounds"
    program.mkdir()
    (program / "venv").symlink_to(FEDERATED)
    certificate = board.bed.fleet / "rounds" / "ca.crt"
    certificate.parent.mkdir()
    certificate.write_text("as the SuperLink makes it")
    wish = {"device_rounds": "10.0.0.1:8443", "device_prefix": "/var/lib/tbft-edge/rounds"}
    board.services(**wish)
    assert "--superlink 10.0.0.1:8443 --certificate /var/lib/tbft-edge/ca.crt" in board.sealed.unit(NODE).read_text()
    assert board.told() == ["daemon-reload", f"enable {NODE}", f"restart {NODE}"]
    again = board.services(**wish)
    assert again.recap[BOARD]["changed"] == 0, again.said
    assert board.told() == []


def test_a_board_without_root_is_told_why_it_gets_none(board: Board) -> None:
    """Before anything is done."""
    played = board.play("services", device_service=False, device_pull_every="1h")
    assert played.code != 0
    assert f"{BOARD} gets no services: systemd's units take root" in played.said
    assert board.told() == []
