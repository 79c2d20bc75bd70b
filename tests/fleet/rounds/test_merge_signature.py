"""A merge is signed by the fleet: what was changed, moved or made by others is not shown, and not released as one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from safetensors.numpy import load_file, save_file
from securesystemslib.signer import CryptoSigner

from support.made_up_fleet import AT
from support.made_up_rounds import World
from tbft_artifacts.archive import opened
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.envelope import verify
from tbft_fleet.files.round import ENVELOPE, PREDICATE_TYPE, RECORD, TENSORS, Made, Round, TookPart
from tbft_fleet.host.merge_signature import signed_merge
from tbft_fleet.host.merges import check_own, keep_merge, merge_file, merged_tensors, rounds_in
from tbft_fleet.host.metadata import now
from tbft_fleet.host.reading import read_status
from tbft_fleet.host.release import Wanted, release
from tbft_fleet.host.rotation import rotate
from tbft_fleet.merging.derive import derive


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def kept(world: World, number: int = 1, by: float = 1.0) -> Path:
    """The folder of a merge that moved everything by so much."""
    part = TookPart(device="pi-1", counter=1, images=10)
    record = Round(number=number, release=1, plan=world.plan, rule="mean", made_at=AT, parts=(part,))
    keep_merge(world.fleet, record, {name: value + value.dtype.type(by) for name, value in world.head().items()})
    return merge_file(world.fleet, number).parent


def derived(world: World, name: str) -> Path:
    """A bundle with the tensors that lie in the merge."""
    out = world.folder / name
    with opened(world.archive) as parent:
        derive(parent, load_file(merge_file(world.fleet, 1)), out)
    return out


def said(world: World) -> list[str]:
    """Of records, on the page."""
    return [need.words for need in read_status(world.fleet, now()).needs if need.kind == "record"]


def test_a_merge_names_its_files_its_bundle_and_its_number(world: World) -> None:
    """By the key that is online; what a release notes later changes nothing of that."""
    place = kept(world)
    statement, _ = verify((place / ENVELOPE).read_bytes(), [world.signer.public_key], "it")
    assert statement.predicate_type == PREDICATE_TYPE
    assert {each.name: each.digest.sha256 for each in statement.subject} == {
        name: sha256((place / name).read_bytes()).hexdigest() for name in (TENSORS, RECORD)
    }
    made = msgspec.json.decode(statement.predicate, type=Made)
    assert made == Made(number=1, release=1, bundle_id=world.release.bundle_id)
    assert release(world.fleet, Wanted(derived(world, "next.tar.gz"))).release.number == 2
    assert [each.into for each in rounds_in(world.fleet)] == [2]
    assert said(world) == []


def test_a_merge_outlives_the_key_that_signed_it(world: World) -> None:
    """A key is rotated by routine, too, and rounds of before go on counting."""
    kept(world)
    rotate(world.fleet.repository, "online")
    kept(world, 2)
    assert [each.number for each in rounds_in(world.fleet)] == [1, 2]
    assert set(merged_tensors(world.fleet, 1)) == set(world.head())


def another_record(_: World, place: Path) -> None:
    record = json.loads((place / RECORD).read_bytes())
    record["parts"][0]["images"] = 1_000_000
    (place / RECORD).write_text(json.dumps(record))


def no_signature(_: World, place: Path) -> None:
    (place / ENVELOPE).unlink()


def a_stranger(world: World, place: Path) -> None:
    files = {name: (place / name).read_bytes() for name in (TENSORS, RECORD)}
    made = Made(number=1, release=1, bundle_id=world.release.bundle_id)
    (place / ENVELOPE).write_bytes(signed_merge(files, made, CryptoSigner.generate_ed25519()))


def another_bundle(world: World, place: Path) -> None:
    files = {name: (place / name).read_bytes() for name in (TENSORS, RECORD)}
    made = Made(number=1, release=1, bundle_id="b" * 64)
    (place / ENVELOPE).write_bytes(signed_merge(files, made, world.signer))


def another_place(_: World, place: Path) -> None:
    shutil.move(place, place.with_name("000007"))


def a_task(world: World, place: Path) -> None:
    (place / ENVELOPE).write_bytes(world.parcel().envelope)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (another_record, "round.json' is not what the fleet signed"),
        (no_signature, "has no signature 'merge.dsse.json' beside it"),
        (a_stranger, "by none of the 1 keys that are trusted"),
        (another_bundle, "is of bundle bbbbbbbbbbbb, which release 1 is not"),
        (another_place, "is of merge 1, and lies in the place of another"),
        (a_task, "is the signature of no merge"),
    ],
)
def test_what_the_fleet_did_not_sign_is_named_and_not_counted(
    world: World, change: Callable[[World, Path], None], words: str
) -> None:
    """The merge beside it is shown as ever."""
    place = kept(world)
    kept(world, 2)
    change(world, place)
    assert [each.number for each in rounds_in(world.fleet)] == [2]
    (found,) = said(world)
    assert words in found


def test_changed_tensors_are_not_released_as_a_merge(world: World) -> None:
    """They are whole, and a bundle was made of them: nothing is released."""
    path = kept(world) / TENSORS
    save_file({name: value + 9 for name, value in load_file(path).items()}, path)
    with pytest.raises(TbftError, match="is not what the fleet signed"):
        release(world.fleet, Wanted(derived(world, "next.tar.gz")))
    assert len(world.fleet.releases()) == 1
    with pytest.raises(TbftError, match="is not what the fleet signed"):
        merged_tensors(world.fleet, 1)
    with pytest.raises(TbftError, match="is not what the fleet signed"):
        check_own(world.fleet, path)
    elsewhere = shutil.copy(path, world.folder / "own.safetensors")
    check_own(world.fleet, elsewhere)


def test_without_the_key_nothing_is_kept(world: World) -> None:
    (world.fleet.folder / "keys" / "online.pem").unlink()
    with pytest.raises(TbftError, match="online"):
        kept(world)
    assert list(world.fleet.merges.iterdir()) == []
