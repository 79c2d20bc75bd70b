"""Who belongs to a fleet: a device with the key that it signed its own enrolment with, and nobody in its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from support.made_up_fleet import AT, MadeUpDevice
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.node_key import make_node_key
from tbft_fleet.host.device import Device
from tbft_fleet.host.devices import Devices
from tbft_fleet.host.enrolling import enrol, revoke
from tbft_fleet.host.inbox import Inbox


def again(devices: Devices, path: Path, *, group: str | None = None, replace_key: bool = False) -> Device:
    return enrol(devices, devices.folder.parent / "results", path, AT, group=group, replace_key=replace_key)


def test_an_enrolled_device_is_remembered(devices: Devices) -> None:
    """With the group that it named itself, and nothing that it told yet."""
    found = devices.need("pi-7")
    assert (found.group, found.counter, found.enrolled_at) == ("porch", 0, AT)
    assert [device.name for device in devices] == ["pi-7"]


def test_the_host_may_choose_another_group(devices: Devices, device: MadeUpDevice, tmp_path: Path) -> None:
    """Also later, and what is known of the device stays."""
    assert again(devices, device.enrolment(tmp_path), group="garage").group == "garage"
    assert devices.need("pi-7").group == "garage"


def test_a_device_changes_its_group_only_where_somebody_says_so(
    devices: Devices, device: MadeUpDevice, tmp_path: Path
) -> None:
    """Where the host put it, it stays, whatever comes again; another group in a new enrolment is told, not taken."""
    assert again(devices, device.enrolment(tmp_path), group="garage").group == "garage"
    assert again(devices, device.enrolment(tmp_path)).group == "garage"
    device.group = "garden"
    moved = device.enrolment(tmp_path)
    with pytest.raises(TbftError, match="in group 'garage', and its enrolment says 'garden'"):
        again(devices, moved)
    replaced = MadeUpDevice(group="garden").enrolment(tmp_path)
    with pytest.raises(TbftError, match="in group 'garage', and its enrolment says 'garden'"):
        again(devices, replaced, replace_key=True)
    assert devices.need("pi-7").group == "garage"
    assert again(devices, device.enrolment(tmp_path), group="garden").group == "garden"
    assert again(devices, device.enrolment(tmp_path)).group == "garden"


def test_a_changed_enrolment_is_refused(devices: Devices, device: MadeUpDevice, tmp_path: Path) -> None:
    """Its signature is by the key that it names; a stranger who puts in another key or name has none that fits."""
    path = device.enrolment(tmp_path)
    stranger = MadeUpDevice(name="pi-8").enrolment(tmp_path)
    payload = stranger.read_bytes().partition(b'"payload":"')[2].partition(b'"')[0]
    own = path.read_bytes().partition(b'"payload":"')[2].partition(b'"')[0]
    path.write_bytes(path.read_bytes().replace(own, payload))
    with pytest.raises(TbftError, match="by none of the 1 keys"):
        again(devices, path)


def test_another_key_under_a_name_is_refused(devices: Devices, tmp_path: Path) -> None:
    """Whoever made it may be anybody."""
    with pytest.raises(TbftError, match="another key than device 'pi-7' has, which did not sign it"):
        again(devices, MadeUpDevice().enrolment(tmp_path))


def test_a_new_key_that_the_old_one_signed_is_taken(
    inbox: Inbox, device: MadeUpDevice, outbox: Path, tmp_path: Path
) -> None:
    """The device goes on counting, and what it told stays."""
    bundle_id = inbox.releases[1].bundle_id
    inbox.accept(device.result(outbox, bundle_id=bundle_id), AT)
    old, device.signer = device.signer, CryptoSigner.generate_ed25519()
    assert again(inbox.devices, device.enrolment(tmp_path, old)).counter == 1
    assert inbox.accept(device.result(outbox, bundle_id=bundle_id), AT).counter == 2


def test_a_device_whose_key_is_lost_begins_anew(
    inbox: Inbox, device: MadeUpDevice, outbox: Path, tmp_path: Path
) -> None:
    """Told to, the host forgets what the name stood for, and its old results hide no new ones."""
    bundle_id = inbox.releases[1].bundle_id
    inbox.accept(device.result(outbox, bundle_id=bundle_id), AT)
    fresh = MadeUpDevice()
    assert again(inbox.devices, fresh.enrolment(tmp_path), replace_key=True).counter == 0
    assert inbox.accept(fresh.result(tmp_path / "other", bundle_id=bundle_id), AT).is_new
    assert sorted(path.name for path in inbox.results.iterdir()) == ["pi-7", "pi-7~1"]


def test_a_device_does_not_begin_anew_with_the_key_that_it_has(
    inbox: Inbox, device: MadeUpDevice, outbox: Path, tmp_path: Path
) -> None:
    """Else whoever recorded its results could have them taken once more; also of one that was revoked."""
    bundle_id = inbox.releases[1].bundle_id
    first = device.result(outbox, bundle_id=bundle_id)
    inbox.accept(first, AT)
    inbox.accept(device.result(outbox, bundle_id=bundle_id), AT)
    assert again(inbox.devices, device.enrolment(tmp_path), replace_key=True).counter == 2
    assert not inbox.accept(first, AT).is_new
    revoke(inbox.devices, "pi-7", AT)
    with pytest.raises(TbftError, match="was revoked at"):
        again(inbox.devices, device.enrolment(tmp_path), replace_key=True)


def test_a_revoked_device_cannot_just_enrol_again(devices: Devices, device: MadeUpDevice, tmp_path: Path) -> None:
    revoke(devices, "pi-7", AT)
    with pytest.raises(TbftError, match="was revoked at"):
        again(devices, device.enrolment(tmp_path))
    assert again(devices, MadeUpDevice().enrolment(tmp_path), replace_key=True).revoked_at is None


def test_a_key_that_would_close_the_superlink_is_refused(devices: Devices, tmp_path: Path) -> None:
    """One that cannot be read, or another device's, which is public: at either, nobody would be let in any more."""
    key = make_node_key(tmp_path / "node" / "node.key")
    again(devices, MadeUpDevice("pi-8", node_key=key).enrolment(tmp_path))
    for wrong, words in ((f"{key} copied", "of device 'pi-8'"), ("no key", "none that can be read")):
        with pytest.raises(TbftError, match=words):
            again(devices, MadeUpDevice("pi-10", node_key=wrong).enrolment(tmp_path))
    assert devices.get("pi-10") is None
    revoke(devices, "pi-8", AT)
    assert again(devices, MadeUpDevice("pi-10", node_key=key).enrolment(tmp_path)).name == "pi-10"


def test_what_is_no_enrolment_is_refused(devices: Devices, inbox: Inbox, device: MadeUpDevice, tmp_path: Path) -> None:
    """A result that the device signed, and any other file."""
    result = device.result(tmp_path / "box") / "result.dsse.json"
    (tmp_path / "x").write_bytes(b"{}")
    for path, words in ((result, "states something else"), (tmp_path / "x", "no signature"), (tmp_path / "y", "exist")):
        with pytest.raises(TbftError, match=words):
            again(devices, path)
    with pytest.raises(TbftError, match="no device 'pi-9'"):
        revoke(devices, "pi-9", AT)
    assert devices.get("../devices/pi-7") is None
