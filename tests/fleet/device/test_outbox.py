"""What a device tells is whole, numbered upwards and by its own key, whenever its plug is pulled."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import msgspec
import pytest

from support.fleet_devices import joined
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.envelope import verify
from tbft_fleet.device import outbox
from tbft_fleet.device.health import board_health, health
from tbft_fleet.device.outbox import put, waiting
from tbft_fleet.device.place import Place
from tbft_fleet.files.result import ENVELOPE, NO_BUNDLE, Health, Result, Update
from tbft_runtime.board.access import Board

HEALTH = Health(runtime="0.1.0")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A device that joined, and runs nothing yet."""
    return joined(tmp_path / "state")


def told(place: Place, folder: Path) -> Result:
    """What a result states, whose signature fits."""
    statement, _ = verify((folder / ENVELOPE).read_bytes(), [place.signer().public_key], "it")
    assert {subject.name for subject in statement.subject} == {path.name for path in folder.iterdir()} - {ENVELOPE}
    return msgspec.json.decode(bytes(statement.predicate), type=Result)


def test_a_result_is_signed_with_its_files(place: Place) -> None:
    """And says what runs: nothing yet."""
    update = Update(release=3, outcome="refused", why="it needs a newer version")
    folder = put(place, HEALTH, update=update, files={"log.txt": b"x"})
    found = told(place, folder)
    assert (found.device, found.counter, found.release, found.bundle_id) == ("pi-7", 1, 0, NO_BUNDLE)
    assert (found.health, found.update) == (HEALTH, update)
    assert folder == place.outbox / "000001"
    assert (place.outbox.stat().st_mode & 0o077, (folder / "log.txt").read_bytes()) == (0, b"x")


def test_numbers_go_up_and_nonces_are_new(place: Place) -> None:
    """Also where the carrier emptied the outbox in between."""
    first, second = (told(place, put(place, HEALTH)) for _ in range(2))
    for folder in waiting(place.outbox):
        folder.rename(place.folder / f"carried-{folder.name}")
    third = told(place, put(place, HEALTH))
    assert [result.counter for result in (first, second, third)] == [1, 2, 3]
    assert len({first.nonce, second.nonce, third.nonce}) == 3


def test_a_kill_at_any_system_call_leaves_whole_results_alone(place: Place) -> None:
    """No number is used twice, nothing half-written has a name that is carried, and no leftover stays for good."""
    seen: set[int] = set()
    for moment in itertools.count(1):
        child = os.fork()
        if child == 0:
            _die_at(moment)
            put(place, HEALTH, files={"log.txt": b"x" * 10_000})
            os._exit(0)
        _, ended = os.waitpid(child, 0)
        counters = [told(place, folder).counter for folder in waiting(place.outbox)]
        assert counters == sorted(set(counters))
        assert seen <= set(counters)
        seen = set(counters)
        if os.waitstatus_to_exitcode(ended) == 0:
            break
    assert moment > 5
    put(place, HEALTH)
    assert [path.name for path in place.outbox.iterdir() if path.name.startswith(".")] == []


def _die_at(moment: int) -> None:
    """End this process at the so-manieth rename, file or flush, without a word."""
    left = moment

    def dying(real):  # type: ignore[no-untyped-def]
        def call(*args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in ("rename", "replace", "fsync", "mkdir", "unlink", "chmod"):
        setattr(os, name, dying(getattr(os, name)))


def test_an_outbox_that_nobody_empties_stays_small(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go, by number and by bytes, and the newest never does."""
    monkeypatch.setattr(outbox, "MOST_RESULTS", 3)
    for _ in range(5):
        put(place, HEALTH)
    assert [folder.name for folder in waiting(place.outbox)] == ["000003", "000004", "000005"]
    monkeypatch.setattr(outbox, "MOST_WAITING_BYTES", 10_000)
    put(place, HEALTH, files={"a": b"x" * 20_000})
    assert [folder.name for folder in waiting(place.outbox)] == ["000006"]
    monkeypatch.setattr(outbox, "MOST_BYTES", 5)
    with pytest.raises(TbftError, match="more than a result may carry"):
        put(place, HEALTH, files={"a": b"x" * 6})


def test_a_lost_key_is_said(place: Place) -> None:
    place.key.unlink()
    with pytest.raises(TbftError, match=r"key\.pem' does not exist"):
        put(place, HEALTH)
    assert waiting(place.outbox) == []


def test_health_of_a_board_that_says_nothing_is_not_known(place: Place, tmp_path: Path) -> None:
    """Neither cold nor well supplied: not known."""
    found = board_health(place, Board(tmp_path, lambda _: None))
    assert (found.celsius, found.throttled, found.under_voltage, found.memory_bytes) == (None, None, None, None)
    assert found.disk_bytes is not None
    assert found.disk_free_bytes is not None
    assert health(place, Board(tmp_path, lambda _: None)).accuracy is None


def test_throttling_is_about_now_and_voltage_about_since_the_start(place: Place, tmp_path: Path) -> None:
    """A dip of a weak supply is over before anybody looks."""
    for bits, throttled, dipped in (
        (0x0, False, False),
        (0x4, True, False),
        (0x50000, False, True),
        (0x1, False, True),
    ):
        found = board_health(place, Board(tmp_path, lambda _, bits=bits: f"throttled=0x{bits:x}"))
        assert (found.throttled, found.under_voltage) == (throttled, dipped)
