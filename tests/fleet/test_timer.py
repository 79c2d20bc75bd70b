"""`fleet pull` every so often: units that systemd takes, of a service that can reach little."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from support.agents import NO_BOARD
from support.commands import Ended, refused
from support.fleet_devices import joined, own_images
from support.fleets import new_fleet
from support.services import parsed
from support.units import MOST_EXPOSED, NEEDS_SYSTEMD, exposure
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.join import join
from tbft_fleet.device.pulling import pulling
from tbft_fleet.device.timer import SERVICE, TIMER, Pulling, to_install, to_uninstall
from tbft_runtime.systemd.places import Places
from tbft_runtime.systemd.steps import carry_out

STATE = Path("/var/lib/tbft-edge/fleet")
PULLING = Pulling(STATE, Places(STATE, (Path("/srv/images"),), ()), "1h", (), (), is_own=True)
PLACES = {
    "usual": PULLING,
    "a stick": replace(PULLING, places=Places(STATE, (Path("/media/stick/a b"), Path("/home/pi/images")), ())),
    "a Raspberry Pi": replace(PULLING, groups=("video",), throttling=("/dev/vcio",)),
}


def written(folder: Path, pulling: Pulling = PULLING) -> dict[str, dict[str, dict[str, str]]]:
    steps = to_install(pulling, folder).steps
    return {Path(step.write).name: parsed(step.text) for step in steps if step.write and step.text}


def test_a_folder_behind_a_link_is_named_as_it_is(tmp_path: Path) -> None:
    """chown leaves alone what a link leads to."""
    joined(tmp_path / "state")
    (tmp_path / "link").symlink_to("state")
    assert pulling(tmp_path / "link", "1h").state == tmp_path / "state"


def test_the_timer_starts_what_pulls(tmp_path: Path) -> None:
    """Boards do not all ask at the same moment, and one that was off asks soon after its start."""
    units = written(tmp_path)
    assert units[SERVICE]["Service"]["Type"] == "oneshot"
    assert units[SERVICE]["Service"]["ExecStart"].endswith(f"-P -m tbft_edge fleet pull {STATE} --timer")
    assert units[TIMER]["Timer"] == {"OnBootSec": "5min", "OnUnitInactiveSec": "1h", "RandomizedDelaySec": "900"}
    assert units[TIMER]["Install"] == {"WantedBy": "timers.target"}


@pytest.mark.parametrize("every", ["", "1", "0h", "-1h", "1 h", "1h\nExecStart=/bin/sh", "1year"])
def test_what_is_no_interval_is_refused(every: str, tmp_path: Path) -> None:
    """Nothing that somebody writes there ends a line of the unit."""
    with pytest.raises(TbftError, match="is no interval"):
        to_install(replace(PULLING, every=every), tmp_path)


def test_units_are_written_before_systemd_reads_them_and_go_again(tmp_path: Path) -> None:
    """What was installed can be removed, and the board's folder stays."""
    ran = list[Sequence[str]]()

    def note(words: Sequence[str]) -> None:
        assert (tmp_path / TIMER).exists() == (words[0] == "systemctl")
        ran.append(words)

    carry_out(to_install(PULLING, tmp_path), note)
    assert ran[-2:] == [("systemctl", "daemon-reload"), ("systemctl", "enable", "--now", TIMER)]
    carry_out(to_uninstall(STATE, tmp_path), lambda _words: None)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TbftError, match="nothing pulls by itself"):
        to_uninstall(STATE, tmp_path)


@NEEDS_SYSTEMD
@pytest.mark.parametrize("place", PLACES)
def test_systemd_takes_them_and_finds_little_exposed(place: str, tmp_path: Path) -> None:
    """By its own judge: no word that it does not know, and a figure that is good."""
    for step in to_install(PLACES[place], tmp_path).steps:
        if step.write is not None and step.text is not None:
            Path(step.write).write_text(step.text, encoding="utf-8")
    assert exposure([tmp_path / SERVICE, tmp_path / TIMER]) <= MOST_EXPOSED


def test_a_board_is_told_what_would_be_installed(command: Callable[..., Ended], tmp_path: Path) -> None:
    """Its folder is given to the services' user, who reads what the board pulls from and is judged on."""
    images = own_images(tmp_path / "images")
    place = joined(tmp_path / "state", images)
    ended = command("fleet", "install", place.folder, "--every", "30min")
    assert ended.code == 0, ended
    would = [line.removeprefix("would: ") for line in ended.out.splitlines() if line.startswith("would: ")]
    assert f"run chown -R tbft-edge:tbft-edge -- {place.folder}" in would
    assert would[-1] == f"run systemctl enable --now {TIMER}"
    assert "OnUnitInactiveSec=30min" in ended.out
    assert str(images) in ended.out
    assert ended.err == "nothing was changed: --yes does it\n"


def test_a_board_that_knows_nothing_to_pull_from_gets_no_timer(command: Callable[..., Ended], tmp_path: Path) -> None:
    """Every pull of it would fail, where nobody looks."""
    root = new_fleet(tmp_path / "fleet").root
    join(tmp_path / "state", root, "pi-7", "porch", None, None, NO_BOARD)
    refusal = refused(command("fleet", "install", tmp_path / "state"))
    assert "joined its fleet without --from" in refusal.message
    assert "device.toml" in refusal.hint


def test_a_folder_that_is_no_boards_is_refused(command: Callable[..., Ended], tmp_path: Path) -> None:
    """Before anything is told."""
    assert "no folder of a device" in refused(command("fleet", "install", tmp_path)).message
