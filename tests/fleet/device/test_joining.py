"""A device joins: a key that stays, what the host is given, and a file that people may mend."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from support.agents import NO_BOARD
from support.fleets import new_fleet
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.envelope import verify
from tbft_artifacts.signing.keys import public_pem
from tbft_fleet.device.clock import BUILT, Clock
from tbft_fleet.device.join import join
from tbft_fleet.device.place import Place
from tbft_fleet.files.enrolment import PREDICATE_TYPE, Enrolment

# What may stand in a path, and not in a string of TOML as it is.
ODD = 'a "b" \\ \x7f \t ü 🦉'


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_fleet(tmp_path_factory.mktemp("fleet") / "fleet").root


def joining(folder: Path, root: Path, device: str = "pi-7", carrier: str | None = None) -> Place:
    return join(folder, root, device, "porch", carrier, None, NO_BOARD)


def test_the_host_hears_who_it_is_and_nobody_else_can_say_so(tmp_path: Path, root: Path) -> None:
    place = joining(tmp_path / "state", root)
    statement, _ = verify(place.enrolment.read_bytes(), [place.signer().public_key], "the enrolment")
    assert statement.predicate_type == PREDICATE_TYPE
    enrolment = msgspec.json.decode(statement.predicate, type=Enrolment)
    assert (enrolment.device, enrolment.group) == ("pi-7", "porch")
    assert enrolment.public_key == public_pem(place.signer().public_key)
    assert b"PRIVATE" not in place.enrolment.read_bytes()


def test_only_its_user_looks_into_the_folder(tmp_path: Path, root: Path) -> None:
    place = joining(tmp_path / "state", root)
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
    inside = [path for path in place.folder.rglob("*") if path.is_file()]
    assert place.key in inside
    assert {stat.S_IMODE(path.stat().st_mode) for path in inside} == {0o600}


def test_whatever_paths_are_called_they_come_back(tmp_path: Path, root: Path) -> None:
    images = tmp_path / ODD
    images.mkdir()
    place = join(tmp_path / "state", root, "pi-7", "porch", f"stick {ODD}", images, NO_BOARD)
    assert place.device.images == str(images)
    assert place.device.carrier == str(Path(f"stick {ODD}").absolute())
    assert joining(tmp_path / "other", root, carrier="https://host/fleet").device.carrier == "https://host/fleet"
    assert joining(tmp_path / "third", root).device.carrier is None


def test_a_key_is_never_made_twice(tmp_path: Path, root: Path) -> None:
    """Also where joining was interrupted: the host may know the first one already."""
    place = joining(tmp_path / "state", root)
    key = place.key.read_bytes()
    with pytest.raises(TbftError, match="is a device's already: 'pi-7'"):
        joining(tmp_path / "state", root)
    place.settings.unlink()
    joining(tmp_path / "state", root)
    assert place.key.read_bytes() == key


@pytest.mark.parametrize("device", ["", "pi_7", "Pi", "-pi", "pi/../..", "a" * 64, "pi\n"])
def test_names_are_those_of_hosts(tmp_path: Path, root: Path, device: str) -> None:
    with pytest.raises(TbftError, match="is no name in a fleet"):
        joining(tmp_path / "state", root, device)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"signed": {"_type": "root"}, "signatures": []}'])
def test_a_root_that_is_none_is_refused_before_anything_is_written(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "root.json").write_bytes(content)
    with pytest.raises(TbftError, match="no root metadata"):
        joining(tmp_path / "state", tmp_path / "root.json")
    with pytest.raises(TbftError, match="do not exist"):
        joining(tmp_path / "state", tmp_path / "gone.json")
    assert not (tmp_path / "state").exists()


def test_a_counter_never_goes_back(tmp_path: Path, root: Path) -> None:
    """The host takes no lower one: a damaged file must not silence the device for good."""
    place = joining(tmp_path / "state", root)
    assert [place.next_counter() for _ in range(3)] == [1, 2, 3]
    (place.folder / "counter").write_bytes(b"\0\0")
    assert place.next_counter() > 1_000_000


def test_a_lost_counter_goes_on_above_all_that_was_told(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a board whose clock is not set: by what waits, or else by when this version was made."""
    monkeypatch.setattr("tbft_fleet.device.place.wall_clock", lambda: datetime(1970, 1, 1, tzinfo=UTC))
    place = joining(tmp_path / "state", root)
    place.counter.unlink()
    assert place.next_counter() == int(BUILT.timestamp()) + 1
    place.counter.unlink()
    place.outbox.mkdir()
    (place.outbox / "2000000000").mkdir()
    assert place.next_counter() == 2_000_000_001


def test_a_counter_that_was_lost_goes_on_above_the_newest_time_that_anybody_said(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board whose clock says 1970 would else tell its host nothing any more: it takes no number twice."""
    place = joining(tmp_path / "state", root)
    monkeypatch.setattr("tbft_fleet.device.place.wall_clock", lambda: datetime(1970, 1, 1, tzinfo=UTC))
    (place.folder / "counter").write_bytes(b"\0\0")
    assert place.next_counter() > BUILT.timestamp()
    later = BUILT + timedelta(days=100)
    Clock(place.clock, BUILT).keep(later, ("key",))
    for lose in (lambda: place.counter.write_bytes(b""), place.counter.unlink):
        lose()
        assert place.next_counter() > later.timestamp()
