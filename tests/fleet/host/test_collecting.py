"""A carrier brings folders of many devices: what is good is taken, what is not is named, and nothing stops the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.made_up_fleet import AT, MadeUpDevice
from tbft_artifacts.errors import TbftError
from tbft_fleet.host.collecting import collect
from tbft_fleet.host.inbox import Inbox


def test_good_results_are_taken_beside_bad_ones(inbox: Inbox, device: MadeUpDevice, outbox: Path) -> None:
    """Wherever they lie in what a carrier filled; the second time they are there."""
    bundle_id = inbox.releases[1].bundle_id
    for _ in range(3):
        device.result(outbox, bundle_id=bundle_id)
    stranger = MadeUpDevice(name="pi-9").result(outbox.parent / "deep" / "pi-9" / "outbox")
    (outbox / ".000004.tmp").mkdir()
    (outbox.parent / "readme.txt").write_text("x")
    found = collect(inbox, [outbox.parent], AT)
    assert [accepted.counter for accepted in found.taken] == [1, 2, 3]
    assert [(each.folder, each.why) for each in found.refused] == [
        (str(stranger), "it says that it is of device 'pi-9', which is not enrolled")
    ]
    again = collect(inbox, [outbox, outbox / "000002"], AT)
    assert (again.taken, again.already_there, again.refused) == ((), 4, ())


def test_older_results_come_first_whatever_their_names_sort_like(
    inbox: Inbox, device: MadeUpDevice, outbox: Path
) -> None:
    """Number 1,000,000 has one digit more."""
    bundle_id = inbox.releases[1].bundle_id
    for counter in (1_000_000, 999_999):
        device.result(outbox, bundle_id=bundle_id, counter=counter)
    assert [accepted.counter for accepted in collect(inbox, [outbox], AT).taken] == [999_999, 1_000_000]


def test_links_of_a_carrier_are_not_followed(inbox: Inbox, device: MadeUpDevice, outbox: Path, tmp_path: Path) -> None:
    """They may lead round in a circle, or to the host's own files."""
    device.result(tmp_path / "elsewhere", bundle_id=inbox.releases[1].bundle_id)
    outbox.mkdir(parents=True)
    (outbox / "round").symlink_to(outbox)
    (outbox / "000001").symlink_to(tmp_path / "elsewhere" / "000001")
    found = collect(inbox, [outbox], AT)
    assert (found.taken, found.refused) == ((), ())


def test_an_inbox_that_is_not_there_is_an_error(inbox: Inbox, tmp_path: Path) -> None:
    with pytest.raises(TbftError, match="is no folder"):
        collect(inbox, [tmp_path / "nowhere"], AT)
