"""A repository does not grow for ever, and what a device may still take stays in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fleets import GARDEN, PORCH, joined, new_fleet, publish
from tbft_fleet.files.release import Release
from tbft_fleet.host.pruning import superseded

GROUPS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True)


@given(st.lists(st.tuples(GROUPS, st.sampled_from([0, 10, 100])), max_size=30), st.integers(1, 10))
def test_what_a_device_would_take_stays(made: list[tuple[list[str], int]], kept: int) -> None:
    """The newest that is open to all of its group, and every newer one of the last few."""
    releases = [
        Release(number=number, bundle_id="0" * 64, groups=tuple(groups), percent=percent, minimum_runtime="0.1.0")
        for number, (groups, percent) in enumerate(made, 1)
    ]
    left = {release.number for release in releases} - superseded(releases, kept)
    assert {release.number for release in releases[-kept:]} <= left
    for group in ("a", "b", "c"):
        open_to_all = [each.number for each in releases if group in each.groups and each.percent == 100]
        assert not open_to_all or open_to_all[-1] in left
    assert len(left) <= kept + 3


def test_old_releases_and_what_was_never_finished_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives and metadata; a device that was away for long takes the newest all the same."""
    monkeypatch.setattr("tbft_fleet.host.repository.KEPT", 3)
    fleet = new_fleet(tmp_path / "fleet")
    publish(fleet, b"0", groups=(GARDEN,))
    device, gardener = joined(fleet, tmp_path / "pi"), joined(fleet, tmp_path / "other", group=GARDEN)
    publish(fleet, b"1")
    device.take(fleet.repository.folder)
    (fleet.repository.archives / "left").write_bytes(b"of a release that was killed")
    for number in range(2, 9):
        publish(fleet, str(number).encode())
    assert [release.number for release in fleet.releases()] == [1, 7, 8, 9]
    assert {path.name.split(".")[1] for path in fleet.repository.archives.iterdir()} == {
        f"release-00000{number}" for number in (1, 7, 8, 9)
    }
    names = {path.name for path in fleet.repository.files.folder.iterdir()}
    versions = {f"{version}.{role}.json" for version in (8, 9, 10) for role in ("snapshot", "targets")}
    assert names == versions | {"1.root.json", "timestamp.json"}
    assert device.take(fleet.repository.folder) == (9, b"8")
    assert gardener.take(fleet.repository.folder) == (1, b"0")
    assert publish(fleet, groups=(PORCH,)).number == 10
