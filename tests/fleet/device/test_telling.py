"""A board that is left running tells by itself how it is, and what it told reaches its host, once, whatever fails."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.commands import Ended
from support.fleet_devices import NO_BOARD
from support.fleets import Handler, new_fleet, publish, served
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.health import board_health
from tbft_fleet.device.join import join
from tbft_fleet.device.outbox import put, waiting
from tbft_fleet.device.place import Place
from tbft_fleet.device.sending import UnsentError, send
from tbft_fleet.device.silence import EVERY_SECONDS, is_silent
from tbft_fleet.files.result import ENVELOPE
from tbft_fleet.host.folder import Fleet

Command = Callable[..., Ended]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return new_fleet(tmp_path / "fleet")


@pytest.fixture
def place(fleet: Fleet, tmp_path: Path) -> Place:
    return join(tmp_path / "state", fleet.root, "pi-7", "porch", str(fleet.repository.folder), None, NO_BOARD)


class Taking(Handler):
    """Puts what it is sent into its folder, as nginx does; `answers` is what it says of the next ones, 201 else."""

    answers: list[int] = []  # noqa: RUF012 (each test has its own)
    where = ""

    def do_PUT(self) -> None:  # noqa: N802 (the name that its base would have)
        content = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.answers.pop(0) if self.answers else 201
        self.asked.append(self.path)  # type: ignore[arg-type]
        if status == 201:
            path = Path(self.translate_path(self.path))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.send_response(status)
        if self.where:
            self.send_header("Location", self.where)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def taking(folder: Path, *answers: int, where: str = "") -> Iterator[tuple[str, list[str]]]:
    """The address of a server that takes results into `folder`, and the paths that it was sent."""
    folder.mkdir(exist_ok=True)
    kind = type("Kind", (Taking,), {"answers": list(answers), "where": where})
    with served(folder, kind) as (url, asked):
        yield url, asked  # type: ignore[misc]


def tell(place: Place, count: int = 1) -> None:
    for _ in range(count):
        put(place, board_health(place, NO_BOARD))


def names(place: Place) -> list[str]:
    return [path.name for path in waiting(place.outbox)]


def test_what_waits_is_sent_and_collected(place: Place, fleet: Fleet, command: Command, tmp_path: Path) -> None:
    """Envelopes last, so that whoever collects meanwhile finds a result whole, or not at all."""
    command("fleet", "enrol", fleet.folder, place.enrolment)
    tell(place)
    put(place, board_health(place, NO_BOARD), files={"z.txt": b"more"})
    with taking(tmp_path / "inbox") as (url, asked):
        assert send(place, url) == 2
    assert asked == [f"/pi-7/{path}" for path in (f"000001/{ENVELOPE}", "000002/z.txt", f"000002/{ENVELOPE}")]
    assert names(place) == []
    told = json.loads(command("fleet", "collect", fleet.folder, tmp_path / "inbox", "--json").out)
    assert [each["counter"] for each in told["taken"]] == [1, 2]


def test_what_is_not_taken_waits(place: Place, tmp_path: Path) -> None:
    tell(place, 3)
    with taking(tmp_path / "inbox", 201, 503) as (url, asked):
        with pytest.raises(UnsentError, match="the server answers 503") as caught:
            send(place, url)
        assert (caught.value.sent, names(place), len(asked)) == (1, ["000002", "000003"], 2)
        assert send(place, url) == 2
    tell(place)
    with pytest.raises(UnsentError):
        send(place, "http://127.0.0.1:9/")
    assert names(place) == ["000004"]


def test_one_that_is_never_taken_keeps_no_other_waiting(place: Place, tmp_path: Path) -> None:
    """Such as one that is too large for that server."""
    tell(place, 3)
    with taking(tmp_path / "inbox", 413) as (url, _):
        with pytest.raises(UnsentError, match="answers 413"):
            send(place, url)
        assert names(place) == ["000001"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_is_followed(place: Place, tmp_path: Path, status: int) -> None:
    """Neither elsewhere nor on the same server: what is told goes where somebody said."""
    tell(place)
    with taking(tmp_path / "other") as (elsewhere, asked):
        for where in (elsewhere, "/x"):
            with taking(tmp_path / "inbox", status, where=where) as (url, paths):
                with pytest.raises(UnsentError):
                    send(place, url)
                assert len(paths) == 1
    assert (asked, names(place)) == ([], ["000001"])


def test_a_server_that_does_not_answer_is_not_waited_for(place: Place, tmp_path: Path) -> None:
    tell(place, 2)

    class Silent(Taking):
        def do_PUT(self) -> None:  # noqa: N802 (the name that its base has)
            time.sleep(1)

    with served(tmp_path, Silent) as (url, _):
        began = time.monotonic()
        with pytest.raises(UnsentError, match="timed out"):
            send(place, url, patience=0.2)
        assert time.monotonic() - began < 5
    assert len(names(place)) == 2


def test_what_a_power_cut_left_of_a_sent_one_is_not_sent_again(place: Place, tmp_path: Path) -> None:
    tell(place, 2)
    (place.outbox / "000001" / ENVELOPE).unlink()
    (place.outbox / "000001" / "weights.safetensors").write_bytes(b"half")
    with taking(tmp_path / "inbox") as (url, asked):
        assert send(place, url) == 1
    assert asked == [f"/pi-7/000002/{ENVELOPE}"]
    assert names(place) == []


@pytest.mark.parametrize("url", ["ftp://host/", "file:///etc", "host/results", "\x1b[2J"])
def test_what_is_no_address_is_one_line(place: Place, url: str) -> None:
    tell(place)
    with pytest.raises(TbftError, match="is no http:// or https:// address") as caught:
        send(place, url)
    assert "\x1b" not in caught.value.message


def test_silence_is_a_day_without_a_word(place: Place) -> None:
    """Also of one that never said any."""
    assert is_silent(place)
    (place.folder / "counter").write_text("0\n")
    assert is_silent(place)
    tell(place)
    assert not is_silent(place)
    for age in (EVERY_SECONDS + 1, -3600):
        moment = time.time() - age
        os.utime(place.folder / "counter", (moment, moment))
        assert is_silent(place)


def test_a_timer_tells_once_a_day_and_sends_it(place: Place, fleet: Fleet, command: Command, tmp_path: Path) -> None:
    """So a healthy board on which nothing is new is not taken for one that is off; also where no server answers."""
    publish(fleet, percent=1)
    assert command("fleet", "pull", place.folder).code == 0
    assert names(place) == []
    first = command("fleet", "pull", place.folder, "--timer")
    assert (first.code, names(place)) == (0, ["000001"])
    assert "how this device is: " in first.err
    command("fleet", "pull", place.folder, "--timer")
    assert names(place) == ["000001"]
    with taking(tmp_path / "inbox") as (url, asked):
        with place.settings.open("a") as file:
            file.write(f'results = "{url}in/"\n')
        os.utime(place.folder / "counter", (0, 0))
        ended = command("fleet", "pull", place.folder, "--timer", "--from", "http://127.0.0.1:9/")
        assert (ended.code, names(place)) == (2, [])
        assert asked == [f"/in/pi-7/{number:06}/{ENVELOPE}" for number in (1, 2)]
        assert "2 results sent" in ended.err
        assert command("fleet", "report", place.folder).err == "1 result sent\n"
    failed = command("fleet", "report", place.folder)
    assert failed.code == 0
    assert "it waits in the outbox for the next time" in failed.err
