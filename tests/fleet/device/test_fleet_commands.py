"""`tbft-edge fleet join` and `fleet pull`, over a fleet's own repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.agents import packed
from support.commands import Ended
from support.fleet_devices import ACCURATE, BAD, GOOD, OTHER, own_images, release_of
from support.fleets import new_fleet
from support.hostile import EVIL, absurd, unseen
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.apart import Question
from tbft_fleet.device.judged import Judged
from tbft_fleet.device.place import Place
from tbft_fleet.device.repository import repository
from tbft_fleet.device.update import pull
from tbft_fleet.files.gates import Gates
from tbft_fleet.host.folder import Fleet

Command = Callable[..., Ended]


@dataclass
class Site:
    """A fleet's host, and the folder of a device that joined it."""

    fleet: Fleet
    state: Path

    def publish(self, name: str, number: int, gates: Gates = ACCURATE, percent: int = 100) -> None:
        release = release_of(name, number, gates, percent)
        archive = packed(name, self.state.with_name(f"{number}.tar.gz"))
        with self.fleet.held():
            self.fleet.repository.publish({release: archive})


@pytest.fixture
def site(tmp_path: Path, command: Command) -> Site:
    fleet = new_fleet(tmp_path / "fleet")
    images = own_images(tmp_path / "own")
    where = ("--from", fleet.folder / "repository", "--images", images)
    ended = command(
        "fleet", "join", tmp_path / "state", "--root", fleet.root, "--id", "pi-7", "--group", "porch", *where
    )
    assert ended.code == 0, ended.err
    assert ended.out.strip().endswith("enrolment.dsse.json")
    return Site(fleet, tmp_path / "state")


def test_releases_come_and_one_goes_back(site: Site, command: Command) -> None:
    assert command("fleet", "pull", site.state).out == "nothing new: no release runs yet\n"
    site.publish(GOOD, 1)
    first = command("fleet", "pull", site.state)
    assert (first.code, first.out) == (0, "release 1 committed\n")
    states = [line for line in first.err.splitlines() if line.startswith("release 1: ")]
    assert states == [f"release 1: {state}" for state in ("verify", "stage", "switch", "gate", "commit")]
    assert "accuracy passed: 100.0% of 24" in first.err
    assert command("fleet", "pull", site.state).out == "nothing new: release 1 runs\n"
    site.publish(BAD, 2)
    second = command("fleet", "pull", site.state, "--json")
    told = json.loads(second.out)
    assert (second.code, told["outcome"], told["release"], told["current"]) == (1, "rolled back", 2, 1)
    assert told["why"].startswith("accuracy failed: ")
    nothing = command("fleet", "pull", site.state, "--json")
    assert (nothing.code, json.loads(nothing.out)["outcome"]) == (0, None)
    site.publish(OTHER, 3)
    assert command("fleet", "pull", site.state).out == "release 3 committed\n"
    assert len(list((site.state / "outbox").iterdir())) == 3


def test_a_wave_that_has_not_come_is_waited_for_or_gone_ahead_of(site: Site, command: Command) -> None:
    site.publish(GOOD, 1, percent=1)
    ended = command("fleet", "pull", site.state)
    assert (ended.code, ended.out) == (0, "nothing new: no release runs yet\n")
    why = "its wave has not come: it goes to 1 % of the devices, and this one is not among them"
    assert ended.err == f"release 1 is not taken: {why}\n"
    assert command("fleet", "pull", site.state, "--ahead").out == "release 1 committed\n"


def test_where_a_release_fails_the_newest_of_the_others_is_taken(site: Site, command: Command) -> None:
    """A board that joined lately would else have no model until the next release; none is tried twice."""
    for number, name in enumerate((GOOD, OTHER, BAD, BAD), start=1):
        site.publish(name, number)
    ended = command("fleet", "pull", site.state, "--json")
    told = json.loads(ended.out)
    assert (ended.code, told["release"], told["outcome"], told["current"]) == (1, 4, "rolled back", 2)
    outcomes = [(each["release"], each["outcome"]) for each in told["updates"]]
    assert outcomes == [(4, "rolled back"), (3, "rolled back"), (2, "committed")]
    ended = command("fleet", "pull", site.state)
    assert (ended.code, ended.out) == (0, "nothing new: release 2 runs\n")
    assert ended.err == "release 4 is not taken: it did not pass on this device before\n"


def test_a_release_that_the_host_withdraws_meanwhile_goes_back(site: Site, command: Command) -> None:
    """By the repository itself, between the gates and what follows."""
    site.publish(GOOD, 1)
    command("fleet", "pull", site.state)
    site.publish(OTHER, 2)
    place, said = Place(site.state), list[str]()

    def judge(_question: Question) -> tuple[Judged, ...]:
        with site.fleet.held():
            site.fleet.repository.set_percent(2, 0)
        return (Judged(gate="load", verdict="passed", text=""),)

    source = repository(place, None, said.append, ahead=False)
    (ended,) = pull(place, source, lambda _update, _accuracy: None, lambda _ongoing: None, judge)
    assert (ended.outcome, ended.why) == ("rolled back", "the host withdrew it while it was on trial")
    assert place.current() == 1
    assert said == ["release 2 is not taken: the host withdrew it"]


def test_what_ended_is_told_though_the_next_one_fails(
    site: Site, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the JSON hears of the release that runs now."""
    from tbft_fleet.device.repository import Repository

    site.publish(GOOD, 1)
    newest, asked = Repository.newest, list[int]()

    def once(self: Repository, *, whole: bool = False) -> object:
        asked.append(1)
        if len(asked) > 1:
            raise TbftError("the stick is gone", "plug it in")
        return newest(self, whole=whole)

    monkeypatch.setattr(Repository, "newest", once)
    ended = command("fleet", "pull", site.state, "--json")
    assert (ended.code, json.loads(ended.out)["outcome"]) == (2, "committed")
    assert "the stick is gone" in ended.err


def test_what_cannot_be_done_is_one_line(site: Site, command: Command, tmp_path: Path) -> None:
    for arguments, words in (
        (["pull", tmp_path / "nowhere"], "is no folder of a device"),
        (["pull", site.state, "--from", tmp_path / "gone"], "gone"),
        (["pull", site.state, "--from", "ftp://host"], "no http:// or https://"),
        (["join", site.state, "--root", site.fleet.root, "--id", "pi-8", "--group", "porch"], "device's already"),
        (["join", tmp_path / "x", "--root", site.fleet.root, "--id", "Pi", "--group", "a"], "--id 'Pi' is no name"),
    ):
        ended = command("fleet", *arguments)
        assert ended.code == 2, arguments
        assert words in ended.err.splitlines()[0], ended.err
    assert not (tmp_path / "x").exists()
    (Place(site.state).settings).write_text("id = 7\n")
    assert "cannot be read" in command("fleet", "pull", site.state).err


def test_people_read_words_whatever_things_are_called(command: Command, tmp_path: Path) -> None:
    """A bundle whose classes are escape sequences, in a folder with such a name."""
    fleet = new_fleet(tmp_path / "fleet")
    state, who = tmp_path / f"state{EVIL}", ("--root", fleet.root, "--id", "pi-7", "--group", "porch")
    images = own_images(tmp_path / f"own{EVIL}")
    joining = command("fleet", "join", state, *who, "--from", fleet.folder / "repository", "--images", images)
    assert joining.code == 0, joining.err
    Site(fleet, tmp_path / "state").publish("hostile-drifts", 1)
    for ended in (joining, command("fleet", "pull", state), command("fleet", "join", state, *who)):
        assert unseen(ended.out + ended.err) == []
        assert absurd(ended.out) + absurd(ended.err) == []
    assert json.loads(command("fleet", "pull", state, "--json").out)["current"] == 0
