"""`tbft-edge agent install` and `uninstall`: told first, done on `--yes`, and refused where it could not work."""

from __future__ import annotations

import grp
import json
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from support.commands import Ended, refused
from support.services import configured, parsed
from tbft_agent.settings import read_settings
from tbft_agent.systemd import machine
from tbft_agent.systemd.plan import to_install, to_uninstall
from tbft_agent.systemd.unit import unit_text
from tbft_artifacts.errors import TbftError
from tbft_runtime.systemd import steps as systemd
from tbft_runtime.systemd.access import Account, check_owner, groups_for
from tbft_runtime.systemd.steps import Step, carry_out, check_may

STATE = "/var/lib/tbft-edge"
NOBODY = Account(None, None)


@pytest.fixture(autouse=True)
def _no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have installed an agent."""
    for module in (machine, systemd):
        monkeypatch.setattr(module, "account", lambda: NOBODY)


def test_it_says_what_it_would_do_and_does_nothing(command: Callable[..., Ended], tmp_path: Path) -> None:
    """Every step as it would be typed, and the whole unit."""
    file = configured(tmp_path, state=STATE)
    ended = command("agent", "install", file)
    assert ended.code == 0, ended
    lines = ended.out.splitlines()
    assert [line for line in lines if line.startswith("would: ")] == [
        "would: run useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "
        "tbft-edge",
        "would: write /etc/systemd/system/tbft-edge-agent.service",
        "would: run systemctl daemon-reload",
        "would: run systemctl enable tbft-edge-agent.service",
        "would: run systemctl restart tbft-edge-agent.service",
    ]
    found = parsed("\n".join(lines[lines.index("[Unit]") :]))
    assert found["Service"]["ExecStart"].endswith(f"-P -m tbft_edge agent run {file}")
    assert found["Service"]["ProtectHome"] in ("yes", "tmpfs")
    assert ended.err == "nothing was changed: --yes does it\n"


def test_as_json_the_unit_is_a_text(command: Callable[..., Ended], tmp_path: Path) -> None:
    """Whoever installs many boards takes it from there."""
    ended = command("agent", "install", configured(tmp_path, state=STATE), "--json")
    told = json.loads(ended.out)
    assert told["done"] is False
    assert told["steps"][-1] == {"run": ["systemctl", "restart", "tbft-edge-agent.service"]}
    assert parsed(told["steps"][1]["text"])["Install"] == {"WantedBy": "multi-user.target"}


def test_a_state_that_systemd_does_not_make_is_made_for_the_user(tmp_path: Path) -> None:
    """Before the unit is there, with the rights that the agent would give it."""
    found = read_settings(configured(tmp_path, state="/srv/my state"))
    steps = to_install(found, machine.this_machine(found), tmp_path).steps
    made = ("install", "-d", "-m", "0700", "-o", "tbft-edge", "-g", "tbft-edge", "--", "/srv/my state")
    assert Step(run=made) in steps
    written = [step.write for step in steps]
    assert steps.index(Step(run=made)) < written.index(str(tmp_path / "tbft-edge-agent.service"))


def test_yes_does_the_steps_in_their_order(tmp_path: Path) -> None:
    """The unit is written before systemd is told to read it; what ran is what was told."""
    found, ran = read_settings(configured(tmp_path, state=STATE)), list[Sequence[str]]()
    units = tmp_path / "units"
    units.mkdir()
    unit = units / "tbft-edge-agent.service"

    def note(words: Sequence[str]) -> None:
        assert unit.exists() == (words[0] == "systemctl")
        ran.append(words)

    told = to_install(found, machine.this_machine(found), units)
    done = carry_out(told, note)
    assert done.done
    assert ran == [step.run for step in told.steps if step.run]
    assert unit.read_text() in [step.text for step in told.steps]
    assert stat.S_IMODE(unit.stat().st_mode) == 0o644

    ran.clear()
    carry_out(to_uninstall(tmp_path / "state", units), ran.append)
    assert not unit.exists()
    assert [words[1] for words in ran] == ["disable", "daemon-reload"]


def test_another_configuration_is_another_unit(tmp_path: Path) -> None:
    """An agent that runs read its settings when it began: whatever changes in them, it is restarted."""
    file = configured(tmp_path, state=STATE)

    def text() -> str:
        found = read_settings(file)
        return unit_text(found, machine.this_machine(found))

    before = text()
    assert text() == before
    file.write_text(file.read_text() + "\n[watch]\nwindow = 16\n")
    assert text() != before


def test_uninstalling_says_that_the_state_stays(command: Callable[..., Ended], tmp_path: Path) -> None:
    """Models that were learned are worth more than the disk; who wants them gone removes one folder."""
    unit = tmp_path / "tbft-edge-agent.service"
    unit.write_text("[Unit]\n")
    told = to_uninstall(Path(STATE), tmp_path)
    assert told.stays == f"'{STATE}' with models and images stays, and so does the user tbft-edge"
    assert Step(remove=str(unit)) in told.steps
    assert unit.exists()
    if not (systemd.UNITS / unit.name).exists():
        refusal = refused(command("agent", "uninstall", tmp_path / "nowhere.toml"))
        assert "no agent is installed" in refusal.message


def test_a_step_that_fails_ends_it_with_its_own_words(tmp_path: Path) -> None:
    """A service that does not start is told in one line, and where there is more."""
    with pytest.raises(TbftError, match=r"'sh -c echo no such unit >&2; exit 5' failed: no such unit"):
        systemd.run_as_root(["sh", "-c", "echo no such unit >&2; exit 5"])
    with pytest.raises(TbftError, match="cannot be run"):
        systemd.run_as_root(["/nowhere/systemctl"])


def test_only_root_on_a_machine_of_systemd_installs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before anything is done."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(TbftError, match="only root"):
        check_may("take a container", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    check_may("take a container", tmp_path)
    with pytest.raises(TbftError, match="systemd does not run"):
        check_may("take a container", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("state = '~/state'\nbundle = 'b'", "`state` '~/state' is another folder to the user of a service"),
        ("state = 's'\nbundle = 'nowhere'", "nowhere' cannot be looked at"),
        ("state = 's'\nbundle = 'b'\nadapt = {meter = 'csv:log.csv'}", "has no whole path"),
    ],
)
def test_what_no_service_could_run_by_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """In one line, and before a unit is written."""
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "agent.toml").write_text(text)
    with pytest.raises(TbftError, match=message):
        machine.this_machine(read_settings(tmp_path / "agent.toml"))


def test_a_link_as_state_is_refused(tmp_path: Path) -> None:
    """The agent keeps nothing where a link of somebody else leads."""
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(TbftError, match="is a link"):
        machine.this_machine(read_settings(configured(tmp_path, state=str(tmp_path / "link"))))


def test_a_folder_of_a_camera_lends_its_group(tmp_path: Path) -> None:
    """Read or emptied by the rights of its group, where others have none."""
    folder, group = tmp_path / "camera", next(each.gr_gid for each in grp.getgrall() if each.gr_gid)
    folder.mkdir()
    os.chown(folder, -1, group) if os.geteuid() == 0 else pytest.skip("only root gives a folder to a group")
    given = ((0o755, set(), None), (0o750, {group}, None), (0o775, set(), {group}), (0o700, None, None))
    for mode, reads, writes in given:
        folder.chmod(mode)
        for wanted, places in ((reads, ([folder], [])), (writes, ([], [folder]))):
            if wanted is None:
                with pytest.raises(TbftError, match="the user of the service could not"):
                    groups_for(NOBODY, *places)
            else:
                assert groups_for(NOBODY, *places) == wanted
    folder.chmod(0o3777)
    with pytest.raises(TbftError, match="only its owner may remove"):
        groups_for(NOBODY, [], [folder])


def test_the_service_own_folder_is_for_it(tmp_path: Path) -> None:
    """Its user and group count, as soon as they are made."""
    tmp_path.chmod(0o700)
    own = Account(tmp_path.stat().st_uid, None)
    assert groups_for(own, [tmp_path], [tmp_path]) == set()
    check_owner(own, tmp_path)
    with pytest.raises(TbftError, match="somebody else's"):
        check_owner(replace(own, user=own.user + 1 if own.user is not None else 1), tmp_path)
