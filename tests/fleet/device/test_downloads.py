"""A download that is cut goes on where it was, and is verified as a whole; a server may do what it likes."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator

import pytest

from support.fleets import CONTENT, Device, Handler, served
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.carrier import Carrier, Folder, Http
from tbft_fleet.device.download import fetch
from tbft_fleet.host.folder import Fleet

HALF = len(CONTENT) // 2


def refused(device: Device, url: str, why: str) -> None:
    with pytest.raises(TbftError, match=why):
        device.take(Http(url))


class Cutting(Handler):
    """Announces whole archives, and sends half of what it was asked for."""

    def copyfile(self, source: object, outputfile: object) -> None:
        content = source.read()  # type: ignore[attr-defined]
        whole = "/targets/" not in self.path
        outputfile.write(content if whole else content[:HALF])  # type: ignore[attr-defined]


class CuttingWithoutRanges(Cutting):
    ranges = False


def test_a_cut_download_goes_on_by_itself(fleet: Fleet, device: Device) -> None:
    """By a range, of which nothing is sent twice."""
    with served(fleet.repository.folder, Cutting) as (url, asked):
        assert device.take(Http(url)) == (1, CONTENT)
    assert [each.range for each in asked if "/targets/" in each.path] == [None, f"bytes={HALF}-"]


def test_a_server_without_ranges_is_told_to_be_cut(fleet: Fleet, device: Device) -> None:
    """It sends the same half each time; what came is kept for a server that can do better."""
    with served(fleet.repository.folder, CuttingWithoutRanges) as (url, asked):
        refused(device, url, "was cut at 256,000 of 512,000 bytes")
    assert len([each for each in asked if "/targets/" in each.path]) == 2
    assert device.take(fleet.repository.folder) == (1, CONTENT)


def test_a_later_pull_goes_on_where_the_last_one_ended(fleet: Fleet, device: Device) -> None:
    """Also after a reboot, and from another carrier."""
    offer = device.newest(fleet.repository.folder)
    assert offer is not None
    incoming = device.folder / "incoming"
    incoming.mkdir()
    (incoming / f"{offer.sha256}.part").write_bytes(CONTENT[:-7])
    with served(fleet.repository.folder) as (url, asked):
        assert device.take(Http(url)) == (1, CONTENT)
    assert [each.range for each in asked if "/targets/" in each.path] == [f"bytes={len(CONTENT) - 7}-"]


def test_a_part_that_is_too_long_is_begun_anew(fleet: Fleet, device: Device) -> None:
    """Whatever wrote it."""
    offer = device.newest(fleet.repository.folder)
    assert offer is not None
    incoming = device.folder / "incoming"
    incoming.mkdir()
    (incoming / f"{offer.sha256}.part").write_bytes(CONTENT + b"more")
    assert device.take(fleet.repository.folder) == (1, CONTENT)


def test_parts_of_other_releases_are_removed(fleet: Fleet, device: Device) -> None:
    """They would fill the disk of a device whose network is bad."""
    incoming = device.folder / "incoming"
    incoming.mkdir()
    (incoming / f"{'0' * 64}.part").write_bytes(b"old")
    device.take(fleet.repository.folder)
    assert [path.name for path in incoming.iterdir()] == ["release-000001.tar.gz"]


def test_what_was_fetched_is_not_fetched_again(fleet: Fleet, device: Device) -> None:
    """A device that was killed before it staged has it."""
    device.take(fleet.repository.folder)
    device.current = 0
    with served(fleet.repository.folder) as (url, asked):
        assert device.take(Http(url)) == (1, CONTENT)
    assert [each for each in asked if "/targets/" in each.path] == []


@pytest.mark.parametrize("which", ["metadata", "targets"])
def test_a_server_that_says_nothing_is_not_waited_for(fleet: Fleet, device: Device, which: str) -> None:
    """Neither is one that stops in the middle."""

    class Silent(Handler):
        def do_GET(self) -> None:  # noqa: N802 (the name that its base has)
            if which in self.path:
                time.sleep(1)
            super().do_GET()

    with served(fleet.repository.folder, Silent) as (url, _):
        began = time.monotonic()
        with pytest.raises(TbftError, match="timed out"):
            device.take(Http(url, patience=0.2))
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("which", ["timestamp", "targets/"])
def test_a_server_that_drips_is_not_waited_for(fleet: Fleet, device: Device, which: str) -> None:
    """A byte now and then is an answer each time, and would keep a device for years."""

    class Dripping(Handler):
        ranges = False

        def copyfile(self, source: object, outputfile: object) -> None:
            content = source.read()  # type: ignore[attr-defined]
            for byte in content if which in self.path else ():
                outputfile.write(bytes([byte]))  # type: ignore[attr-defined]
                time.sleep(0.05)
            if which not in self.path:
                outputfile.write(content)  # type: ignore[attr-defined]

    with served(fleet.repository.folder, Dripping) as (url, _):
        began = time.monotonic()
        with pytest.raises(TbftError, match="bytes came in"):
            device.take(Http(url, patience=0.3))
        assert time.monotonic() - began < 10


def test_a_server_whose_head_drips_is_not_waited_for(fleet: Fleet, device: Device) -> None:
    """Lines about itself, one byte after the other, before anything else."""

    class Dripping(Handler):
        def do_GET(self) -> None:  # noqa: N802 (the name that its base has)
            for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)

    with served(fleet.repository.folder, Dripping) as (url, _):
        began = time.monotonic()
        with pytest.raises(TbftError, match="in time"):
            device.take(Http(url, patience=0.3))
        assert time.monotonic() - began < 10


def test_a_server_that_fails_is_told(fleet: Fleet, device: Device) -> None:
    """With what it answers."""

    class Failing(Handler):
        def do_GET(self) -> None:  # noqa: N802 (the name that its base has)
            self.send_error(500)

    with served(fleet.repository.folder, Failing) as (url, _):
        refused(device, url, "500")


def test_nobody_there_is_told(device: Device) -> None:
    """The address, and what the system says."""
    with pytest.raises(TbftError, match=r"http://127\.0\.0\.1:1/.*refused"):
        device.newest(Http("http://127.0.0.1:1/"))


class Full(Folder):
    """A folder whose archives come with the disk full behind their first half."""

    def pieces(self, name: str, start: int = 0) -> tuple[int, Iterator[bytes]]:
        begun, pieces = super().pieces(name, start)
        return begun, self._cut(pieces) if "targets/" in name else pieces

    def _cut(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        yield next(pieces)
        raise OSError(errno.EIO, "Input/output error")


def test_a_stick_that_is_pulled_out_is_told(fleet: Fleet, device: Device) -> None:
    """What came goes on from there."""
    carrier: Carrier = Full(fleet.repository.folder)
    with pytest.raises(TbftError, match="was cut at"):
        device.take(carrier)
    assert device.take(fleet.repository.folder) == (1, CONTENT)


def test_a_full_disk_is_told_before_it_is_full(fleet: Fleet, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else on the board would stop."""
    offer = device.newest(fleet.repository.folder)
    assert offer is not None

    class Disk:
        f_blocks, f_bavail, f_frsize = 1000, 10, 4096

    monkeypatch.setattr("os.statvfs", lambda _: Disk)
    with pytest.raises(TbftError, match="no space left on the disk"):
        fetch(device.client, offer, device.folder / "incoming")
    assert list((device.folder / "incoming").iterdir()) == []
