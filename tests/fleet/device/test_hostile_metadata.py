"""Whatever lies in the files of a repository, a device takes what was signed, or says in one line that it does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.fleets import Device, joined, new_fleet, publish
from tbft_artifacts.errors import TbftError
from tbft_fleet.host.rotation import rotate

HOSTILE = {
    "nothing": b"",
    "no JSON": b"\x00\xff\xfe",
    "a list": b"[]",
    "null": b"null",
    "no signatures": b'{"signed": {}}',
    "nested deeply": b'{"signed": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number without an end": b'{"signed": {"version": ' + b"9" * 10_000 + b"}}",
    "another role": b'{"signatures": [], "signed": {"_type": "mirrors", "version": 9}}',
    "version -1": b'{"signatures": [], "signed": {"_type": "timestamp", "version": -1, "spec_version": "1.0.31"}}',
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two roots and two releases, of which a device has seen the first."""
    folder = tmp_path_factory.mktemp("hostile")
    fleet = new_fleet(folder / "fleet")
    publish(fleet, b"one")
    assert joined(fleet, folder / "pi").take(fleet.repository.folder) == (1, b"one")
    rotate(fleet.repository, "online")
    publish(fleet, b"two")
    joined(fleet, folder / "fresh")
    return fleet.repository.folder


def outcome(repository: Path, changed: Path, who: str) -> None:
    """A device's look at what somebody changed: the release, or a line."""
    place = changed.parent / "device"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(repository.parent.parent / who, place)
    device = Device(place, place / "root.json", current=1)
    error = None
    try:
        assert device.take(changed) == (2, b"two")
    except TbftError as refused:
        error = refused
    if error is not None:
        assert "\n" not in error.message + error.hint
        assert len(error.message) < 1000


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_each_file_may_be_anything(repository: Path, tmp_path: Path, content: bytes) -> None:
    """Of those that a look reads."""
    for name in ("2.root.json", "timestamp.json", "4.snapshot.json", "3.targets.json"):
        changed = Path(shutil.copytree(repository, tmp_path / name))
        path = changed / "metadata" / name
        assert path.exists()
        path.write_bytes(content)
        outcome(repository, changed, "pi")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_of_bytes_is_found(repository: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Wherever it is: cut, doubled, or other bytes, by a device that knows the fleet and one that just joined."""
    changed = tmp_path / "changed"
    shutil.rmtree(changed, ignore_errors=True)
    shutil.copytree(repository, changed)
    path = data.draw(st.sampled_from(sorted(path for path in changed.rglob("*") if path.is_file())))
    content = path.read_bytes()
    begin = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(begin, len(content)))
    path.write_bytes(content[:begin] + data.draw(st.binary(max_size=20)) + content[end:])
    outcome(repository, changed, data.draw(st.sampled_from(["pi", "fresh"])))
