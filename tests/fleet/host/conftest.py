"""A fleet's folder with one device that is enrolled."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.bundles import read_manifest
from support.fleets import packed_bundle
from support.made_up_fleet import AT, MadeUpDevice, release
from tbft_artifacts.manifest import Manifest
from tbft_fleet.host.devices import Devices
from tbft_fleet.host.enrolling import enrol
from tbft_fleet.host.inbox import Inbox


@pytest.fixture
def device() -> MadeUpDevice:
    return MadeUpDevice()


@pytest.fixture
def devices(tmp_path: Path, device: MadeUpDevice) -> Devices:
    found = Devices(tmp_path / "fleet" / "devices")
    with found.held():
        enrol(found, tmp_path / "fleet" / "results", device.enrolment(tmp_path), AT, group=None, replace_key=False)
    return found


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Of the bundle that was released, which lies packed beside the fleet."""
    packed_bundle(tmp_path)
    return read_manifest(tmp_path / "bundle")


@pytest.fixture
def inbox(tmp_path: Path, devices: Devices, manifest: Manifest) -> Inbox:
    """Releases 1 and 2 are of the made-up bundle."""
    releases = {number: release(number, manifest.bundle_id) for number in (1, 2)}
    return Inbox(devices, tmp_path / "fleet" / "results", releases, lambda _number: tmp_path / "bundle.tar.gz")


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """Of the device, as a carrier brought it."""
    return tmp_path / "stick" / "pi-7"
