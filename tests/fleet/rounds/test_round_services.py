"""Rounds that begin with the machine: units that systemd takes, of services that can reach little."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from support.commands import Ended, refused
from support.made_up_rounds import World
from support.services import parsed
from support.units import MOST_EXPOSED, NEEDS_SYSTEMD, exposure
from tbft_artifacts.errors import TbftError
from tbft_fleet.rounds import installing
from tbft_fleet.rounds.installing import node_to_install, superlink_to_install
from tbft_fleet.rounds.services import NODE, SUPERLINK, Staying, to_install, to_uninstall, unit_text
from tbft_fleet.rounds.supernode import Superlink
from tbft_runtime.systemd.places import Places
from tbft_runtime.systemd.steps import Plan, carry_out

STATE = Path("/var/lib/tbft-edge/fleet")
BOARD = Staying(
    NODE,
    "takes part",
    ("node", str(STATE), "--superlink", "10.0.0.1:8443"),
    "tbft-edge",
    "tbft-edge",
    Places(STATE, (Path("/srv/images"),), ()),
    "0" * 64,
    is_behind=True,
)
HOST = Staying(
    SUPERLINK,
    "lets in",
    ("superlink", "/srv/fleet", "--listen", "10.0.0.1:8443"),
    "fleet",
    "fleet",
    Places(Path("/srv/fleet/rounds"), (Path("/srv/fleet"),), ()),
    "0" * 64,
    hidden=(Path("/srv/fleet/keys"),),
)
AT_HOME = Places(Path("/home/a b/fleet/rounds"), (Path("/home/a b/fleet"),), ())
SERVICES = {
    "a board": BOARD,
    "a Raspberry Pi": replace(BOARD, groups=("video",), throttling=("/dev/vcio",)),
    "a host": HOST,
    "a host in somebody's home": replace(HOST, places=AT_HOME, hidden=(Path("/home/a b/fleet/keys"),)),
}
Command = Callable[..., Ended]


@pytest.fixture(autouse=True)
def with_flower(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were installed: what a unit says does not depend on it."""
    monkeypatch.setattr(installing, "check_version", lambda: None)


def service(plan: Plan) -> dict[str, str]:
    (text,) = [step.text for step in plan.steps if step.text is not None]
    return parsed(text)["Service"]


@NEEDS_SYSTEMD
@pytest.mark.parametrize("which", SERVICES)
def test_systemd_takes_them_and_finds_little_exposed(which: str, tmp_path: Path) -> None:
    """By its own judge: no word that it does not know, and a figure that is good."""
    staying = SERVICES[which]
    (tmp_path / staying.name).write_text(unit_text(staying))
    assert exposure([tmp_path / staying.name]) <= MOST_EXPOSED


@pytest.mark.parametrize("which", SERVICES)
def test_they_stay_whatever_happens(which: str) -> None:
    """Begun again for ever, also when they hang: nobody is there to do it."""
    found = parsed(unit_text(SERVICES[which]))
    assert found["Unit"]["StartLimitIntervalSec"] == "0"
    assert (found["Service"]["Type"], found["Service"]["Restart"]) == ("notify", "on-failure")
    assert int(found["Service"]["WatchdogSec"]) >= 60
    assert found["Install"] == {"WantedBy": "multi-user.target"}


def test_a_board_takes_part_from_its_start(tmp_path: Path) -> None:
    """Its user reads the certificate and its images, and writes its own folder alone."""
    place = World(tmp_path).device("pi-7")
    certificate = tmp_path / "ca.crt"
    certificate.touch()
    plan = node_to_install(place.folder, Superlink("10.0.0.1:8443", certificate), tmp_path)
    found = service(plan)
    words = f"fleet node {place.folder} --superlink 10.0.0.1:8443 --certificate {certificate}"
    assert found["ExecStart"].endswith(f"-P -m tbft_edge {words}")
    assert found["User"] == "tbft-edge"
    assert f"-{certificate}" in found["BindReadOnlyPaths"].splitlines()
    assert f"-{place.device.images}" in found["BindReadOnlyPaths"].splitlines()
    assert found["BindPaths"] == str(place.folder)
    assert "ReadWritePaths" not in found
    assert ("chown", "-R", "tbft-edge:tbft-edge", "--", str(place.folder)) in [step.run for step in plan.steps]


def test_a_host_lets_in_as_the_user_whose_the_fleet_is(tmp_path: Path) -> None:
    """With none of the keys that sign releases, whoever gets through to it."""
    fleet = World(tmp_path).fleet
    if os.geteuid() == 0:
        with pytest.raises(TbftError, match="is root's"):
            superlink_to_install(fleet.folder, "10.0.0.1:8443", 8000, tmp_path)
        os.chown(fleet.folder, 65534, 65534)
    plan = superlink_to_install(fleet.folder, "10.0.0.1:8443", 8001, tmp_path)
    found = service(plan)
    assert found["ExecStart"].endswith(f"fleet superlink {fleet.folder} --listen 10.0.0.1:8443 --port 8001")
    assert found["InaccessiblePaths"] == f"-{fleet.folder / 'keys'}"
    assert found["BindPaths"] == str(fleet.folder / "rounds")
    assert f"-{fleet.folder}" in found["BindReadOnlyPaths"].splitlines()
    assert found["User"] != "root"


@pytest.mark.parametrize("listen", ["", "10.0.0.1", ":8443", "10.0.0.1:", "10.0.0.1:443", "10.0.0.1:99999", "a:²"])
def test_an_address_that_no_such_service_could_listen_at_is_refused(listen: str, tmp_path: Path) -> None:
    with pytest.raises(TbftError, match="with a port of 1024 to 65535"):
        superlink_to_install(World(tmp_path).fleet.folder, listen, 8000, tmp_path)


def test_units_are_written_and_go_again(tmp_path: Path) -> None:
    ran = list[Sequence[str]]()
    carry_out(to_install(BOARD, (), "it stays", tmp_path), ran.append)
    assert [path.name for path in tmp_path.iterdir()] == [NODE]
    assert ran == [("systemctl", "daemon-reload"), *(("systemctl", do, NODE) for do in ("enable", "restart"))]
    carry_out(to_uninstall(NODE, "it stays", tmp_path), lambda _words: None)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TbftError, match="it is not installed"):
        to_uninstall(NODE, "it stays", tmp_path)


def test_people_are_told_what_would_be_done(command: Command, tmp_path: Path) -> None:
    place = World(tmp_path).device("pi-7")
    where = ("--superlink", "10.0.0.1:8443", "--certificate")
    ended = command("fleet", "install-node", place.folder, *where, tmp_path / "gone")
    assert "there is no certificate" in refused(ended).message
    (tmp_path / "ca.crt").touch()
    ended = command("fleet", "install-node", place.folder, *where, tmp_path / "ca.crt")
    assert (ended.code, ended.err) == (0, "nothing was changed: --yes does it\n")
    assert f"would: run systemctl restart {NODE}\n" in ended.out
    assert "no folder of a device" in refused(command("fleet", "install-node", tmp_path, *where, tmp_path)).message
    ended = command("fleet", "uninstall-superlink", tmp_path)
    assert "it is not installed" in refused(ended).message
