"""Figures of a device's runs say which device, release and bundle they are of, and those of nobody's fleet do not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from support.bundles import compiled, read_manifest
from support.commands import Ended
from support.fleet_devices import joined, release_of
from support.prometheus import samples
from tbft_fleet.device.labels import labels_of
from tbft_fleet.device.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A device that runs release 12."""
    found = joined(tmp_path / "state")
    shutil.copytree(compiled("output-frozen"), found.bundle(12))
    published = release_of("output-frozen", 12)
    (found.releases.place(12) / "release.json").write_bytes(msgspec.json.encode(published))
    found.releases.point(12)
    found.mend_link()
    return found


def test_a_bundle_of_a_fleet_has_labels(place: Place, tmp_path: Path) -> None:
    """By its own path, and by the link that leads to what runs; other folders have none, whatever they are called."""
    expected = {"device": "pi-7", "release": "12", "bundle": read_manifest(place.bundle(12)).bundle_id}
    assert labels_of(place.bundle(12)) == labels_of(place.link) == expected
    for other in (compiled("output-frozen"), tmp_path / "000012" / "bundle", Path("/"), Path("x")):
        assert labels_of(other) == {}


def test_train_marks_its_metrics(place: Place, squares: Path, tmp_path: Path, command: Callable[..., Ended]) -> None:
    file = tmp_path / "run.prom"
    options = ("--data", squares, "--out", tmp_path / "run", "--epochs", "1", "--metrics-file", file)
    assert command("train", place.link, "--drift", "output", *options).code == 0
    found = samples(file)
    assert len(found) > 5
    for labels, _ in found.values():
        assert (labels["device"], labels["release"], len(labels["bundle"])) == ("pi-7", "12", 64)
