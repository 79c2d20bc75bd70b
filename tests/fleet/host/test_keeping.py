"""A host keeps the newest results of a device, and no more than fit: a board that is broken into fills no disk."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from support.made_up_fleet import AT, MadeUpDevice
from tbft_artifacts.errors import TbftError
from tbft_fleet.files.result import ENVELOPE
from tbft_fleet.host.inbox import Inbox


def told(inbox: Inbox, device: MadeUpDevice, outbox: Path, size: int = 1) -> Path:
    return device.result(outbox, {"a.json": b"x" * size}, bundle_id=inbox.releases[1].bundle_id)


def kept(inbox: Inbox) -> list[str]:
    return sorted(path.name for path in (inbox.results / "pi-7").iterdir())


def test_the_oldest_go_when_they_are_too_many(
    inbox: Inbox, device: MadeUpDevice, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same stick again brings nothing back, and is no error."""
    monkeypatch.setattr("tbft_fleet.host.keeping.MOST_RESULTS", 3)
    folders = [told(inbox, device, outbox) for _ in range(6)]
    assert all(inbox.accept(folder, AT).is_new for folder in folders)
    assert kept(inbox) == ["000004", "000005", "000006"]
    assert not any(inbox.accept(folder, AT).is_new for folder in folders)
    assert kept(inbox) == ["000004", "000005", "000006"]


def test_the_oldest_go_when_they_are_too_large(
    inbox: Inbox, device: MadeUpDevice, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest one stays, however large it is; what a kill left of an old one goes with the next."""
    monkeypatch.setattr("tbft_fleet.host.keeping.MOST_BYTES", 10_000)
    for size in (6000, 1, 6000):
        inbox.accept(told(inbox, device, outbox, size), AT)
    assert kept(inbox) == ["000002", "000003"]
    (inbox.results / "pi-7" / ".old-1").mkdir()
    inbox.accept(told(inbox, device, outbox, 20_000), AT)
    assert kept(inbox) == ["000004"]


def test_without_any_that_went_older_ones_are_refused(inbox: Inbox, device: MadeUpDevice, outbox: Path) -> None:
    """Nobody may put one behind what was said since."""
    device.counter = 5
    inbox.accept(told(inbox, device, outbox), AT)
    device.counter = 3
    with pytest.raises(TbftError, match=r"number 4 .* of which number 6 was taken"):
        inbox.accept(told(inbox, device, outbox), AT)


def test_the_same_statement_in_other_words_is_there_already(inbox: Inbox, device: MadeUpDevice, outbox: Path) -> None:
    """Any carrier may write an envelope anew, and add signatures that nobody asked for: what was signed is the same."""
    folder = told(inbox, device, outbox)
    inbox.accept(folder, AT)
    envelope = json.loads((folder / ENVELOPE).read_bytes())
    envelope["signatures"].append({"keyid": "a", "sig": base64.b64encode(b"b").decode()})
    (folder / ENVELOPE).write_text(json.dumps(envelope, indent=4))
    assert not inbox.accept(folder, AT).is_new
