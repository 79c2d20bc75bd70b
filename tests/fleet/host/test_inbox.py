"""Results come from boards that anybody may hold: each attack ends in one line, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from support.made_up_fleet import AT, MadeUpDevice
from tbft_artifacts.errors import TbftError
from tbft_fleet.files import result as contract
from tbft_fleet.files.result import NO_BUNDLE, WEIGHTS, Health, Training, Update
from tbft_fleet.host.enrolling import enrol, revoke
from tbft_fleet.host.inbox import Inbox

PLAN = "feature-frozen-sgd"
TRAINING = Training(plan=PLAN, images=60, accuracy_before=0.4, accuracy_after=0.9)
GOOD = {"fc.weight": np.zeros((4, 6), np.float32), "bn.running_mean": np.zeros(4, np.float32)}


def told(
    inbox: Inbox, device: MadeUpDevice, outbox: Path, files: dict[str, bytes] | None = None, **stated: Any
) -> Path:
    """A result that runs what was released."""
    return device.result(outbox, files, **{"bundle_id": inbox.releases[1].bundle_id} | stated)


def refused(inbox: Inbox, folder: Path, words: str) -> None:
    """For that reason; the fleet's folder stays as it was."""
    before = sorted(inbox.results.parent.rglob("*"))
    with pytest.raises(TbftError, match=words) as error:
        inbox.accept(folder, AT)
    assert "\n" not in error.value.message
    left = [path for path in inbox.results.parent.rglob("*") if path not in before]
    assert [path for path in left if path != inbox.results and path.parent != inbox.results] == []


def test_a_result_is_taken_with_its_files(inbox: Inbox, device: MadeUpDevice, outbox: Path) -> None:
    """And what it says is remembered of its device."""
    health = Health(runtime="0.1.0", accuracy=0.9, celsius=48.2)
    folder = told(
        inbox, device, outbox, {WEIGHTS: save(GOOD), "report.json": b"{}"}, training=TRAINING, health=health,
        update=Update(release=1, outcome="committed"),
    )  # fmt: skip
    accepted = inbox.accept(folder, AT)
    assert (accepted.device, accepted.counter, accepted.is_new) == ("pi-7", 1, True)
    place = inbox.results / "pi-7" / "000001"
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    known = inbox.devices.need("pi-7")
    assert known.last is not None
    assert known.last.health == health
    assert (known.counter, known.heard_at, known.training, known.trained) == (1, AT, TRAINING, 1)
    assert [(each.release, each.outcome, each.accuracy) for each in known.releases] == [(1, "committed", 0.9)]


def test_the_same_result_again_is_no_error(inbox: Inbox, device: MadeUpDevice, outbox: Path) -> None:
    """A stick is carried twice, also when newer results came in between."""
    first, second = told(inbox, device, outbox), told(inbox, device, outbox)
    for folder in (first, second):
        assert inbox.accept(folder, AT).is_new
    assert not inbox.accept(first, AT).is_new
    assert inbox.devices.need("pi-7").counter == 2


def test_a_kill_before_the_device_was_written_is_made_good(inbox: Inbox, device: MadeUpDevice, outbox: Path) -> None:
    """The result lies there, and nobody knows: the next time it counts."""
    before = inbox.devices.need("pi-7")
    folder = told(inbox, device, outbox)
    inbox.accept(folder, AT)
    inbox.devices.keep(before)
    assert inbox.accept(folder, AT).is_new
    assert inbox.devices.need("pi-7").counter == 1


def test_strangers_are_refused(inbox: Inbox, outbox: Path) -> None:
    """A device that is not enrolled, and one that says that it is another."""
    refused(inbox, told(inbox, MadeUpDevice(name="pi-9"), outbox.with_name("pi-9")), "'pi-9', which is not enrolled")
    refused(inbox, told(inbox, MadeUpDevice(name="pi-7"), outbox), "by none of the 1 keys")


def test_a_revoked_device_is_refused(inbox: Inbox, device: MadeUpDevice, outbox: Path) -> None:
    revoke(inbox.devices, "pi-7", AT)
    refused(inbox, told(inbox, device, outbox), "device 'pi-7' was revoked")


def test_a_replay_is_refused(inbox: Inbox, device: MadeUpDevice, outbox: Path) -> None:
    """Under another number, in another device's folder, with an older counter, or with a nonce that was used."""
    nonce = "0" * 32
    first = told(inbox, device, outbox, nonce=nonce, counter=5)
    inbox.accept(first, AT)
    refused(inbox, first.rename(outbox / "000006"), "holds result 5 of device 'pi-7' under another name")
    refused(inbox, told(inbox, device, outbox, counter=4), "number 4 .* of which number 5 was taken")
    refused(inbox, told(inbox, device, outbox, counter=7, nonce=nonce), "its nonce was used")
    refused(inbox, told(inbox, device, outbox.parent / "again", counter=5), "another result with its number")


def test_results_of_one_device_do_not_lie_in_another_ones_folder(
    inbox: Inbox, device: MadeUpDevice, outbox: Path, tmp_path: Path
) -> None:
    other = MadeUpDevice(name="pi-8").enrolment(tmp_path)
    enrol(inbox.devices, inbox.results, other, AT, group=None, replace_key=False)
    refused(inbox, told(inbox, device, outbox.with_name("pi-8")), "lies where 'pi-8' has its results")


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"bundle_id": "cd" * 32}, "never released"),
        ({"release": 3}, "never released"),
        ({"release": 0}, "never released"),
        ({"update": Update(release=9, outcome="refused", why="no room")}, "tells of release 9"),
        ({"release": 0, "bundle_id": NO_BUNDLE, "training": TRAINING}, "a training of release 0"),
    ],
)
def test_what_was_never_released_is_refused(
    inbox: Inbox, device: MadeUpDevice, outbox: Path, stated: dict[str, Any], words: str
) -> None:
    refused(inbox, told(inbox, device, outbox, **stated), words)


def test_a_device_without_a_release_may_tell_how_it_is(inbox: Inbox, device: MadeUpDevice, outbox: Path) -> None:
    assert inbox.accept(told(inbox, device, outbox, release=0, bundle_id=NO_BUNDLE), AT).is_new


def test_a_device_may_run_what_its_host_forgot(inbox: Inbox, device: MadeUpDevice, outbox: Path) -> None:
    """One that was off for long tells how it is; what it learned nobody can check any more."""
    del inbox.releases[1]  # type: ignore[attr-defined]
    old = {"bundle_id": "cd" * 32, "update": Update(release=1, outcome="committed")}
    assert inbox.accept(device.result(outbox, **old), AT).is_new
    refused(inbox, device.result(outbox, **old, training=TRAINING), "a training of release 1, which is none")


def test_changed_and_unlisted_files_are_refused(inbox: Inbox, device: MadeUpDevice, outbox: Path) -> None:
    """Nothing of them is read but to see that."""
    for change, words in (
        (lambda folder: (folder / "a.json").write_bytes(b"{ }"), "'a.json' in it is not what was signed"),
        (lambda folder: (folder / "b.json").write_bytes(b"{}"), "'b.json' in it is no file that was signed"),
        (lambda folder: (folder / "a.json").unlink(), "it lacks 'a.json'"),
        (lambda folder: (folder / "sub").mkdir(), "'sub' in it is a link, or else no file"),
        (lambda folder: os.mkfifo(folder / "b.json"), "'b.json' in it is a link, or else no file"),
        (lambda folder: (folder / contract.ENVELOPE).unlink(), "its result.dsse.json cannot be read"),
    ):
        folder = told(inbox, device, outbox, {"a.json": b"{}"})
        change(folder)
        refused(inbox, folder, words)


def test_a_stick_that_breaks_hinders_no_other_result(
    inbox: Inbox, device: MadeUpDevice, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the system says of a read names no file; it is still the stick's, and not the host's disk."""

    def breaks(*_: object) -> Iterator[bytes]:
        yield b"x"
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    folder = told(inbox, device, outbox, {"a.json": b"xy"})
    with monkeypatch.context() as patch:
        patch.setattr("tbft_fleet.host.checked_files.pieces", breaks)
        refused(inbox, folder, "'a.json' in it cannot be read")
    assert inbox.accept(folder, AT).is_new


def test_links_are_refused(inbox: Inbox, device: MadeUpDevice, outbox: Path, tmp_path: Path) -> None:
    """Also to a file with the very content that was signed: its folder may be the host's own."""
    folder = told(inbox, device, outbox, {"a.json": b"{}"})
    (folder / "a.json").rename(tmp_path / "a.json")
    (folder / "a.json").symlink_to(tmp_path / "a.json")
    refused(inbox, folder, "'a.json' in it is a link")
    folder = told(inbox, device, outbox)
    shutil.move(folder / contract.ENVELOPE, tmp_path / "e")
    (folder / contract.ENVELOPE).symlink_to(tmp_path / "e")
    refused(inbox, folder, "cannot be read")


@pytest.mark.parametrize("name", ["../x", "..", "a/b", "/etc/passwd", ".hidden", "x\n", "X", "result.dsse.json", ""])
def test_names_that_lead_out_are_refused(inbox: Inbox, device: MadeUpDevice, outbox: Path, name: str) -> None:
    """Whatever the device signed."""
    refused(inbox, told(inbox, device, outbox, listed={name: "0" * 64}), "no name of a file of results")


def test_large_files_and_many_are_refused(
    inbox: Inbox, device: MadeUpDevice, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No disk is filled."""
    monkeypatch.setattr("tbft_fleet.host.inbox.MOST_BYTES", 100)
    refused(inbox, told(inbox, device, outbox, {"a.json": b"x" * 101}), "'a.json' in it, .* has more than")
    two = {"a.json": b"x" * 60, "b.json": b"x" * 60}
    refused(inbox, told(inbox, device, outbox, two), "'b.json' in it, with its other files, has more than")
    many = {f"{number}.json": b"" for number in range(contract.MOST_FILES + 1)}
    refused(inbox, told(inbox, device, outbox, many), "more than 32")


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"fc.weight": np.zeros((6, 4), np.float32)}, r"'fc.weight' is float32 of shape \(6, 4\)"),
        ({"fc.weight": np.zeros((4, 6), np.float64)}, "'fc.weight' is float64"),
        ({"conv1.weight": np.zeros((3, 3), np.float32)}, "'conv1.weight', which plan '.*' does not train"),
        ({"fc.weight": np.full((4, 6), np.nan, np.float32)}, "'fc.weight' has values that are infinite or no number"),
        ({"fc.weight": np.full((4, 6), np.inf, np.float32)}, "'fc.weight' has values that are infinite or no number"),
        ({}, "its weights are none"),
    ],
)
def test_weights_that_no_training_leaves_are_refused(
    inbox: Inbox, device: MadeUpDevice, outbox: Path, tensors: dict[str, np.ndarray], words: str
) -> None:
    refused(inbox, told(inbox, device, outbox, {WEIGHTS: save(tensors)}, training=TRAINING), words)


def test_weights_of_nothing_are_refused(inbox: Inbox, device: MadeUpDevice, outbox: Path) -> None:
    """Without a training, of a plan that there is not, and what is no file of tensors."""
    refused(inbox, told(inbox, device, outbox, {WEIGHTS: save(GOOD)}), "tells of no training")
    other = Training(plan="other", images=1)
    refused(inbox, told(inbox, device, outbox, {WEIGHTS: save(GOOD)}, training=other), "no plan 'other'")
    refused(inbox, told(inbox, device, outbox, {WEIGHTS: b"x" * 50}, training=TRAINING), "no safetensors file")
    # Which would take ten times as much memory, though no byte of it is a value.
    many = save({f"{number:0100}": np.zeros(0, np.float32) for number in range(10_000)})
    refused(
        inbox, told(inbox, device, outbox, {WEIGHTS: many}, training=TRAINING), "bytes, and those of plan '.*' .* at"
    )
