"""What a server answers may be anything: a device follows it nowhere else, and takes nothing that was not signed."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest

from support.fleets import CONTENT, Device, Handler, served
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.carrier import Http
from tbft_fleet.host.folder import Fleet

# Where a server has moved what was asked for.
MOVED = "/moved"


def refused(device: Device, url: str, why: str) -> None:
    with pytest.raises(TbftError, match=why) as caught:
        device.take(Http(url, patience=2))
    assert "\n" not in caught.value.message + caught.value.hint
    assert len(caught.value.message) < 500
    assert not list(device.folder.glob("incoming/*.tar.gz"))


class Leading(Handler):
    """Sends everybody to `where`, in which {path} is what was asked for, but who comes from there."""

    where = MOVED + "{path}"
    body = b""

    def do_GET(self) -> None:  # noqa: N802 (the name that its base has)
        if self.path.startswith(MOVED):
            self.path = self.path.removeprefix(MOVED)
            super().do_GET()
            return
        self.send_response(302)
        self.send_header("Location", self.where.format(path=self.path))
        self.end_headers()
        self.wfile.write(self.body)


def leading(where: str) -> type[Leading]:
    return type("Elsewhere", (Leading,), {"where": where})


def test_a_server_may_lead_to_another_folder_of_its_own(fleet: Fleet, device: Device) -> None:
    with served(fleet.repository.folder, Leading) as (url, asked):
        assert device.take(Http(url)) == (1, CONTENT)
    assert any("targets/" in each.path for each in asked)


def test_it_leads_nobody_to_another_server(fleet: Fleet, device: Device) -> None:
    """Such as to a machine beside the board, which is not even asked."""
    with served(fleet.repository.folder) as (elsewhere, asked):
        place = elsewhere.removesuffix("/")
        with served(fleet.repository.folder, leading(place + "{path}")) as (url, _):
            refused(device, url, f"it leads to {place}, and nobody asked for that")
    assert asked == []


@pytest.mark.parametrize(
    "where",
    [
        "ftp://127.0.0.1/secret",
        "file:///etc/passwd",
        "//[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:1/{path}",
        "https://127.0.0.1/{path}",
        "http://127.0.0.1@other.example/{path}",
        "http://localhost/{path}",
        "http://other.example" + "x" * 5000,
        "http://\x1b[2Jother.example/",
    ],
)
def test_an_odd_address_is_one_line(fleet: Fleet, device: Device, where: str) -> None:
    with served(fleet.repository.folder, leading(where)) as (url, _):
        refused(device, url, "nothing can be had from")


def test_a_server_that_leads_in_circles_is_one_line(fleet: Fleet, device: Device) -> None:
    with served(fleet.repository.folder, leading("/metadata/again?{path}")) as (url, asked):
        refused(device, url, "the server answers 302")
    assert len(asked) < 10


def test_what_stands_beside_an_address_is_not_read(fleet: Fleet, device: Device) -> None:
    """However long it is."""
    endless = type("Endless", (Leading,), {"body": bytes(300 << 20)})
    with served(fleet.repository.folder, endless) as (url, _):
        began = time.monotonic()
        assert device.take(Http(url)) == (1, CONTENT)
        assert time.monotonic() - began < 5


class Portal(Handler):
    """What an inn answers before somebody says who they are: a page, for whatever was asked."""

    which = ""

    def do_GET(self) -> None:  # noqa: N802 (the name that its base has)
        if self.which not in self.path:
            super().do_GET()
            return
        page = b"<!DOCTYPE html><html><body>Welcome! Room number?</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


@pytest.mark.parametrize("which", ["", "timestamp", "snapshot", "targets.json", "targets/"])
def test_a_page_in_place_of_files_is_one_line(fleet: Fleet, device: Device, which: str) -> None:
    """And the files, once they come."""
    with served(fleet.repository.folder, type("Some", (Portal,), {"which": which})) as (url, _):
        refused(device, url, "nothing is taken from|was cut at")
    assert device.take(fleet.repository.folder) == (1, CONTENT)


class Lying(Handler):
    """Says of each archive that it has `more` bytes than it has."""

    more = 0

    def do_GET(self) -> None:  # noqa: N802 (the name that its base has)
        if "targets/" not in self.path:
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) + self.more))
        self.end_headers()
        self.wfile.write(content)


@pytest.mark.parametrize("more", [-len(CONTENT), -1000, -1])
def test_a_length_that_is_too_small_is_one_line(fleet: Fleet, device: Device, more: int) -> None:
    with served(fleet.repository.folder, type("Small", (Lying,), {"more": more})) as (url, _):
        refused(device, url, f"was cut at {len(CONTENT) + more:,} of {len(CONTENT):,} bytes")
    assert device.take(fleet.repository.folder) == (1, CONTENT)


@pytest.mark.parametrize("more", [1, 1 << 62])
def test_a_length_that_is_too_large_matters_to_nobody(fleet: Fleet, device: Device, more: int) -> None:
    """What was signed has come."""
    with served(fleet.repository.folder, type("Large", (Lying,), {"more": more})) as (url, _):
        assert device.take(Http(url)) == (1, CONTENT)


class Packing(Handler):
    """Says that archives are packed once more, as some do of each .gz that they have, and packs them if `it_does`."""

    it_does = True

    def do_GET(self) -> None:  # noqa: N802 (the name that its base has)
        if "targets/" not in self.path:
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        sent = gzip.compress(content) if self.it_does else content
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)


def test_what_a_server_packs_once_more_is_not_what_was_signed(fleet: Fleet, device: Device) -> None:
    with served(fleet.repository.folder, Packing) as (url, _):
        refused(device, url, "was cut at|its content changed")
    with served(fleet.repository.folder, type("Saying", (Packing,), {"it_does": False})) as (url, _):
        assert device.take(Http(url)) == (1, CONTENT)
