"""A device trains what the fleet signed, on its own images, and tells no more than the tensors that changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load, save
from securesystemslib.signer import CryptoSigner

from support.made_up_rounds import HEAD, World, moved
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.clock import Clock
from tbft_fleet.device.outbox import waiting
from tbft_fleet.host.inbox import inbox_of
from tbft_fleet.host.metadata import now
from tbft_fleet.rounds.parcel import Parcel
from tbft_fleet.rounds.tasks import signed_task
from tbft_fleet.rounds.training import Pupil
from tbft_fleet.rounds.trusted_keys import trusted_keys


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def pupil(world: World) -> Pupil:
    place = world.device("pi-7")
    return Pupil(place, lambda: trusted_keys(place), lambda: None)


def refused(pupil: Pupil, parcel: Parcel) -> str:
    with pytest.raises(TbftError) as error:
        pupil.answer(parcel)
    assert not (pupil.place.rounds / "work").exists()
    return error.value.message


def test_a_task_becomes_a_result_that_the_host_accepts(world: World, pupil: Pupil) -> None:
    """Signed, with what the plan trains and nothing else; it waits for other carriers, too. Images stay."""
    task = world.task(number=5)
    base = moved(world.head(), 0.25)
    reply = pupil.answer(signed_task(task, base, world.signer)).parcel
    assert load(reply.tensors).keys() == set(HEAD)
    assert any(not np.array_equal(value, load(base)[name]) for name, value in load(reply.tensors).items())
    (folder,) = waiting(pupil.place.outbox)
    assert {path.name for path in folder.iterdir()} == {"result.dsse.json", "weights.safetensors"}
    accepted = inbox_of(world.fleet, world.devices).accept(folder, "2026-12-01T10:00:00+00:00")
    assert accepted.device == "pi-7"
    last = world.devices.need("pi-7").last
    assert last is not None
    assert last.task == task.id
    assert last.training is not None
    assert last.training.images == 20
    assert not (pupil.place.rounds / "work").exists()
    # The very same again, as somebody on the way could send it; and an older one.
    assert "number 5 was taken on before" in refused(pupil, signed_task(task, base, world.signer))
    assert "number 5 was taken on before" in refused(pupil, world.parcel(number=4))


def test_a_thief_of_a_key_does_not_use_up_all_numbers(world: World) -> None:
    """Once his key is no longer trusted, those that he signed with it do not count."""
    stolen, new = (CryptoSigner.generate_ed25519() for _ in range(2))
    keys = [stolen.public_key]
    place = world.device("pi-6")
    robbed = Pupil(place, lambda: keys, lambda: None)
    thief = msgspec.structs.replace(world.task(number=2**31 - 1), plan="elsewhere")
    assert "has no plan" in refused(robbed, signed_task(thief, None, stolen))
    assert "was taken on before" in refused(robbed, signed_task(world.task(number=7), None, stolen))
    keys[:] = [new.public_key]
    other = msgspec.structs.replace(world.task(number=7), plan="elsewhere")
    assert "has no plan" in refused(robbed, signed_task(other, None, new))
    assert "number 7 was taken on before" in refused(robbed, signed_task(other, None, new))


def test_a_task_for_another_bundle_is_refused(world: World, pupil: Pupil) -> None:
    other = msgspec.structs.replace(world.task(number=90), bundle_id="b" * 64)
    assert "runs here" in refused(pupil, signed_task(other, None, world.signer))


def test_a_task_for_another_group_is_refused(world: World, pupil: Pupil) -> None:
    """And takes no number with it; one that names the group, or none as those of before did, is for the device."""
    message = refused(pupil, world.parcel(number=2_000_000, groups=("garden",)))
    assert message == "the task is for garden, and this device is of porch"
    for number, groups in ((92, ("garden", "porch")), (93, ())):
        other = msgspec.structs.replace(world.task(number=number, groups=groups), plan="elsewhere")
        assert "has no plan" in refused(pupil, signed_task(other, None, world.signer))


def test_a_task_that_expired_is_refused(world: World, pupil: Pupil, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever recorded it may not have devices train that slept when it was signed; a dead clock changes nothing."""
    ends = now() + timedelta(hours=1)
    parcel = world.parcel(number=2_000_000, expires=ends)
    place = pupil.place
    root = world.fleet.repository.files.current().root.signed
    with monkeypatch.context() as patch:
        patch.setattr("tbft_fleet.rounds.trusted_keys.wall_clock", lambda: ends + timedelta(minutes=1))
        assert "the task expired at " in refused(pupil, parcel)
        patch.setattr("tbft_fleet.rounds.trusted_keys.wall_clock", lambda: datetime(1970, 1, 1, tzinfo=UTC))
        Clock(place.clock, now()).keep(ends + timedelta(days=1), tuple(root.roles["timestamp"].keyids))
        assert "the task expired at " in refused(pupil, parcel)
    place.clock.unlink()
    other = msgspec.structs.replace(world.task(number=94, expires=ends), plan="elsewhere")
    assert "has no plan" in refused(pupil, signed_task(other, None, world.signer))


def test_below_an_expired_root_no_task_is_taken_or_signed(
    world: World, pupil: Pupil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose keys may have been replaced since, as devices judge releases, too; what runs goes on running."""
    late = now() + timedelta(days=731)
    parcel = world.parcel(number=2_000_000)
    monkeypatch.setattr("tbft_fleet.rounds.trusted_keys.wall_clock", lambda: late)
    assert "root metadata of this device expired" in refused(pupil, parcel)
    monkeypatch.setattr("tbft_fleet.host.repository.now", lambda: late)
    with pytest.raises(TbftError, match="root metadata of this fleet expired"):
        world.fleet.repository.task_signer()


def test_a_stranger_is_refused(world: World, pupil: Pupil) -> None:
    stranger = CryptoSigner.generate_ed25519()
    message = refused(pupil, signed_task(world.task(number=91), None, stranger))
    assert "none of the 2 keys that are trusted" in message


@pytest.mark.parametrize(
    ("number", "base", "said"),
    [
        (100, save({"fc.bias": np.zeros(3, np.float32)}), "shape"),
        (101, save({"fc.bias": np.full(4, np.nan, np.float32)}), "finite|infinite|no number"),
        (102, save({"elsewhere": np.zeros(3, np.float32)}), "lacks"),
        (103, b"no tensors", "no safetensors file"),
    ],
)
def test_a_base_that_is_none_of_the_bundle_is_refused(
    world: World, pupil: Pupil, number: int, base: bytes, said: str
) -> None:
    """By the training itself, in one line."""
    message = refused(pupil, world.parcel(base, number=number))
    assert message.startswith("training failed: ")
    assert any(word in message for word in said.split("|")), message


def test_a_plan_that_is_not_there_is_refused(world: World, pupil: Pupil) -> None:
    other = msgspec.structs.replace(world.task(number=110), plan="elsewhere")
    assert "has no plan 'elsewhere'" in refused(pupil, signed_task(other, None, world.signer))


def test_what_was_trained_of_a_release_that_went_meanwhile_is_not_told(
    world: World, pupil: Pupil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result would say that the release which runs now was trained, and weights of two bundles be merged."""
    place = pupil.place
    before = set(waiting(place.outbox))

    def trained(self: Pupil, *_: object) -> Path:
        self.place.releases.point(0)
        return place.folder / "run"

    monkeypatch.setattr(Pupil, "_train", trained)
    try:
        assert "and nothing runs here" in refused(pupil, world.parcel(number=115))
    finally:
        place.releases.point(world.release.number)
    assert set(waiting(place.outbox)) == before


def test_training_that_nobody_waits_for_is_ended(world: World, pupil: Pupil, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also its process is gone."""
    alive: list[int] = []
    slow = Pupil(pupil.place, pupil.keys, lambda: alive.append(1))
    monkeypatch.setattr("tbft_fleet.rounds.training.time.monotonic", lambda: 0.0 if len(alive) < 2 else 1e6)
    assert "longer than the 60 s" in refused(slow, world.parcel(number=120, epochs=1000))


def test_a_device_without_images_says_so(world: World, tmp_path: Path) -> None:
    place = world.device("pi-8", images=0)
    pupil = Pupil(place, lambda: trusted_keys(place), lambda: None)
    assert "no labelled images" in refused(pupil, world.parcel())
