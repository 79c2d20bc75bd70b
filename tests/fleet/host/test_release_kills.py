"""A host that dies at any moment of a release or a rotation leaves a repository that devices take releases from."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fleets import joined, new_fleet, packed_bundle
from tbft_fleet.host.folder import Fleet, open_fleet
from tbft_fleet.host.keys import KEYS
from tbft_fleet.host.release import Wanted, release
from tbft_fleet.host.rotation import rotate

KILLS = 15


class Killer:
    """Kills a change at any moment of the time that it takes.

    That time is the shortest seen: a first release is slower than others by what it finds cold, and moments drawn
    from its time would mostly come after the end of those.
    """

    def __init__(self, change: Callable[[], object]) -> None:
        self._change = change
        self._random = random.Random(0)
        self._whole = 60.0
        assert not self._is_killed_after(self._whole)

    def is_struck(self) -> bool:
        """Do the change in a process that is killed at some moment; whether it was still at it."""
        return self._is_killed_after(self._random.uniform(0, self._whole))

    def _is_killed_after(self, seconds: float) -> bool:
        process = multiprocessing.get_context("fork").Process(target=self._change)
        began = time.monotonic()
        process.start()
        process.join(seconds)
        process.kill()
        process.join()
        if process.exitcode == 0:
            self._whole = min(self._whole, time.monotonic() - began)
        return process.exitcode != 0


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_bundle(tmp_path_factory.mktemp("made"))


def test_a_release_survives_kills(tmp_path: Path, archive: Path) -> None:
    """Old or new, whole; and what killed ones left is gone with the next that ends."""
    fleet = new_fleet(tmp_path / "fleet")
    device = joined(fleet, tmp_path / "pi")
    killer = Killer(lambda: release(fleet, Wanted(archive)))
    struck = 0
    for _ in range(KILLS):
        before = len(fleet.releases())
        struck += killer.is_struck()
        after = len(fleet.releases())
        assert after - before in (0, 1)
        fleet.repository.set_percent(after, 100)
        device.current = 0
        assert device.take(fleet.repository.folder) == (after, archive.read_bytes())
    assert struck > KILLS / 4
    release(fleet, Wanted(archive))
    assert len([path for path in fleet.folder.rglob("*") if "release" in path.name]) == len(fleet.releases())
    assert not list(fleet.repository.files.folder.glob(".*"))


def test_a_rotation_survives_kills(tmp_path: Path, archive: Path) -> None:
    """Of each key, some killed on the way to the next; a device with the first root follows, and so do releases."""
    made = new_fleet(tmp_path / "first")
    release(made, Wanted(archive))
    made.repository.set_percent(1, 100)
    for name in KEYS:
        fleet = Fleet(Path(shutil.copytree(made.folder, tmp_path / name)), made.settings)
        device = joined(fleet, tmp_path / f"pi-{name}")
        killer = Killer(lambda fleet=fleet, name=name: rotate(fleet.repository, name))
        for _ in range(KILLS // 3):
            killer.is_struck()
            device.current = 0
            assert device.take(fleet.repository.folder)[0] == 1
        rotate(fleet.repository, name)
        made_by = release(open_fleet(fleet.folder), Wanted(archive)).release
        fleet.repository.set_percent(made_by.number, 100)
        assert device.take(fleet.repository.folder)[0] == made_by.number == 2
        assert {path.name for path in fleet.repository.keys.iterdir()} == {f"{key}.pem" for key in KEYS}
