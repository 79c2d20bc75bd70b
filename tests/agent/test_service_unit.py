"""The unit of the agent: each setting that keeps something in or out, from the configuration alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from support.services import parsed
from tbft_agent.agent import CRASHES, HEALTHY_SECONDS
from tbft_agent.settings import Configured, read_settings
from tbft_agent.systemd.unit import Machine, starts_before_giving_up, unit_text
from tbft_agent.versions import KEPT_BEFORE
from tbft_artifacts.errors import TbftError
from tbft_runtime.systemd.places import Places

ETC = Path("/etc/tbft-edge")
# What is promised: the best is 0, and a service that says nothing has 9.6.
MOST_EXPOSED = 2.0
MACHINE = Machine(
    program=("/opt/tbft-edge/bin/python3", "-P", "-m", "tbft_edge"),
    places=Places(Path("/var/lib/tbft-edge"), (ETC / "agent.toml", ETC / "bundle", Path("/opt/tbft-edge")), ()),
    groups=(),
    devices=(),
    weights=10 << 20,
    fingerprint="0" * 64,
)


def told(folder: Path, text: str = "") -> Configured:
    """A configuration as it would lie in /etc/tbft-edge."""
    file = folder / "agent.toml"
    file.write_text(f"bundle = '{ETC}/bundle'\nstate = '/var/lib/tbft-edge'\n{text}")
    return replace(read_settings(file), file=ETC / "agent.toml")


def service(folder: Path, text: str = "", machine: Machine = MACHINE) -> dict[str, str]:
    return parsed(unit_text(told(folder, text), machine))["Service"]


def test_the_usual_one_reaches_nothing_but_its_own_folder(tmp_path: Path) -> None:
    """Whatever a picture makes a decoder do, it is done as a user without rights, on a file system that is read."""
    found = service(tmp_path)
    assert found["ExecStart"] == ":/opt/tbft-edge/bin/python3 -P -m tbft_edge agent run /etc/tbft-edge/agent.toml"
    assert (found["User"], found["NoNewPrivileges"], found["CapabilityBoundingSet"]) == ("tbft-edge", "yes", "")
    assert (found["ProtectSystem"], found["ProtectHome"], found["PrivateTmp"]) == ("strict", "yes", "yes")
    assert (found["StateDirectory"], found["StateDirectoryMode"]) == ("tbft-edge", "0700")
    assert {"ReadWritePaths", "BindPaths", "BindReadOnlyPaths", "SupplementaryGroups", "DeviceAllow"} & {
        *found
    } == set()
    assert (found["PrivateDevices"], found["UMask"]) == ("yes", "0077")
    assert found["SystemCallFilter"].splitlines() == ["@system-service", "~@privileged"]


def test_it_tells_when_it_is_ready_and_is_given_time_to_end(tmp_path: Path) -> None:
    """Training is ended by the agent itself, which takes up to five seconds; a hang is noticed."""
    found = service(tmp_path)
    assert (found["Type"], found["KillMode"]) == ("notify", "mixed")
    assert int(found["TimeoutStopSec"]) > 5
    assert 30 <= int(found["WatchdogSec"]) <= 300


def test_systemd_does_not_give_up_before_the_agent_does(tmp_path: Path) -> None:
    """Each version has its crashes before the one before it answers, down to the bundle, and then it is the end."""
    found = parsed(unit_text(told(tmp_path), MACHINE))
    starts = int(found["Unit"]["StartLimitBurst"])
    assert starts == starts_before_giving_up() >= (CRASHES + 1) * (1 + KEPT_BEFORE + 1)
    longest = HEALTHY_SECONDS + int(found["Service"]["RestartSec"])
    assert int(found["Unit"]["StartLimitIntervalSec"]) >= starts * longest
    assert found["Service"]["Restart"] == "on-failure"


def test_memory_is_what_training_may_take_and_answering(tmp_path: Path) -> None:
    """Where that is too little the training is ended, and the agent goes on."""
    found = [service(tmp_path, f'[adapt]\nmemory = "{size}"') for size in ("256MiB", "1GiB")]
    small, large = (int(each["MemoryMax"].removesuffix("M")) for each in found)
    assert large - small == 768
    assert small > 256 + 100
    assert found[0]["OOMPolicy"] == "continue"
    heavy = service(tmp_path, machine=replace(MACHINE, weights=110 << 20))
    assert int(heavy["MemoryMax"].removesuffix("M")) - int(service(tmp_path)["MemoryMax"].removesuffix("M")) == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_on_loopback_nobody_else_is_reached(tmp_path: Path, host: str) -> None:
    """Not even by what runs in the process: no picture leaves the board."""
    found = service(tmp_path, f'[http]\nhost = "{host}"')
    assert (found["IPAddressDeny"], found["IPAddressAllow"]) == ("any", "localhost")


def test_on_the_network_it_waits_for_an_address_that_it_is_told(tmp_path: Path) -> None:
    """An address that is not there yet cannot be listened at; every address always can."""
    one = parsed(unit_text(told(tmp_path, '[http]\nhost = "192.168.1.7"'), MACHINE))
    assert "IPAddressDeny" not in one["Service"]
    assert one["Unit"]["After"] == "network-online.target"
    every = parsed(unit_text(told(tmp_path, '[http]\nhost = "0.0.0.0"'), MACHINE))
    assert "After" not in every["Unit"]


def test_what_lies_in_a_home_is_seen_and_nothing_beside_it(tmp_path: Path) -> None:
    """Read-only, but for a camera's folder that is emptied; what is in a folder that is seen needs no line."""
    camera, shots = Path("/home/pi/camera"), Path("/srv/shots")
    reads = (Path("/home/pi/bundle"), Path("/home/pi/venv"), Path("/home/pi/venv/lib"), Path("/opt/x"))
    places = Places(Path("/mnt/disk/state"), reads, (camera, shots))
    found = service(tmp_path, machine=replace(MACHINE, places=places))
    assert found["ProtectHome"] == "tmpfs"
    assert found["BindReadOnlyPaths"].splitlines() == ["-/home/pi/bundle", "-/home/pi/venv"]
    assert found["BindPaths"] == "-/home/pi/camera"
    assert found["ReadWritePaths"].splitlines() == ["/mnt/disk/state", "-/srv/shots"]
    assert "StateDirectory" not in found


def test_a_state_in_a_home_is_the_one_thing_there_that_is_written(tmp_path: Path) -> None:
    """Whoever tries it out has everything in one folder."""
    places = Places(
        Path("/home/pi/agent/state"), (Path("/home/pi/agent/agent.toml"), Path("/home/pi/agent/bundle")), ()
    )
    found = service(tmp_path, machine=replace(MACHINE, places=places))
    assert found["BindPaths"] == "/home/pi/agent/state"
    assert found["BindReadOnlyPaths"].splitlines() == ["-/home/pi/agent/agent.toml", "-/home/pi/agent/bundle"]
    assert "ReadWritePaths" not in found


def test_figures_for_another_program_can_be_read_by_it(tmp_path: Path) -> None:
    """A node exporter is another user."""
    assert service(tmp_path, "").get("UMask") == "0077"
    file = tmp_path / "agent.toml"
    file.write_text("bundle = 'b'\nstate = 's'\nmetrics_file = '/var/lib/prometheus/agent.prom'")
    assert parsed(unit_text(read_settings(file), MACHINE))["Service"]["UMask"] == "0022"


def test_devices_are_those_that_tell_power_and_throttling(tmp_path: Path) -> None:
    """`vcgencmd` asks one that is for the group video; every other stays closed."""
    found = service(
        tmp_path, machine=replace(MACHINE, devices=("/dev/vcio", "/dev/ttyACM0"), groups=("dialout", "video"))
    )
    assert "PrivateDevices" not in found
    assert found["DevicePolicy"] == "closed"
    assert found["DeviceAllow"].splitlines() == ["/dev/vcio rw", "/dev/ttyACM0 rw"]
    assert found["SupplementaryGroups"] == "dialout video"


@pytest.mark.parametrize("name", ["a\nExecStartPre=/bin/rm", "b\rx", "\x1b[2J"])
def test_a_folder_whose_name_is_a_setting_is_refused(tmp_path: Path, name: str) -> None:
    """It would be one that root's systemd obeys."""
    for places in (
        replace(MACHINE.places, state=Path("/srv") / name),
        replace(MACHINE.places, writes=(Path("/srv") / name,)),
        replace(MACHINE.places, reads=(Path("/home") / name,)),
    ):
        with pytest.raises(TbftError, match="cannot stand in a unit"):
            unit_text(told(tmp_path), replace(MACHINE, places=places))
    with pytest.raises(TbftError, match="cannot stand in a unit"):
        unit_text(replace(told(tmp_path), file=Path("/srv") / name), MACHINE)


def test_a_program_that_systemd_would_not_start_is_refused_now(tmp_path: Path) -> None:
    """And not by a unit that is written already."""
    for name in ('"', "'", "\\"):
        with pytest.raises(TbftError, match="systemd starts nothing"):
            unit_text(told(tmp_path), replace(MACHINE, program=(f"/opt/{name}/python",)))


VARIANTS = {
    "usual": MACHINE,
    "with devices": replace(MACHINE, devices=("/dev/vcio",), groups=("video",)),
    "in a home": replace(
        MACHINE, places=Places(Path("/home/pi/100% mine/state"), (Path("/home/pi/é"),), (Path("/srv/a b"),))
    ),
}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_systemd_takes_it_and_finds_little_exposed(tmp_path: Path, variant: str, host: str) -> None:
    """By its own judge: no word that it does not know, and a figure that is good."""
    program = ("/bin/true",)  # Which is there, as verify wants it.
    unit = tmp_path / "tbft-edge-agent.service"
    unit.write_text(unit_text(told(tmp_path, f'[http]\nhost = "{host}"'), replace(VARIANTS[variant], program=program)))
    checked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=True,
    )
    exposed = re.search(r"exposure level for \S+: ([\d.]+)", judged.stdout)
    assert exposed is not None, judged.stdout
    assert float(exposed[1]) <= MOST_EXPOSED
