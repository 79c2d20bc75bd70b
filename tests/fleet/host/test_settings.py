"""What a fleet is set to can be read, and what cannot be meant is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tbft_artifacts.errors import TbftError
from tbft_fleet.files.gates import Gates
from tbft_fleet.host.folder import make_fleet, open_fleet
from tbft_fleet.host.settings import FILE, GroupSettings, Settings, read_settings

WRONG = {
    "no group": "groups = {}",
    "a name that is a path": "[groups.'../x']",
    "a field of that name": "[groups.porch]\nwave = 3",
    "a gate of that name": "[groups.porch]\n[gates]\naccurracy = 0.9",
    "a wave of more than all": "waves = [1, 200]\n[groups.porch]",
    "waves that shrink": "waves = [10, 1]\n[groups.porch]",
    "the same wave twice": "waves = [10, 10]\n[groups.porch]",
    "an end before today": "[groups.porch]\n[expiry]\nonline = 0",
    "no TOML": "groups =",
    "no text": b"\xff\xfe",
    "brackets without an end": "waves = " + "[" * 100_000,
    "more than it may have": "[groups.porch]\n" + "#" * (1 << 20),
}


def test_a_new_fleet_is_read_back(tmp_path: Path) -> None:
    """The words in its file say the defaults."""
    made = make_fleet(tmp_path / "fleet", ["porch", "garden"])
    assert made.settings == Settings(groups={"porch": GroupSettings(), "garden": GroupSettings()})
    assert open_fleet(tmp_path / "fleet") == made


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_meant_is_told(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / FILE
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TbftError, match=FILE):
        read_settings(file)


def test_a_group_that_is_given_twice_is_one(tmp_path: Path) -> None:
    assert list(make_fleet(tmp_path / "fleet", ["porch", "porch"]).settings.groups) == ["porch"]


def test_a_folder_that_is_no_fleet_is_told(tmp_path: Path) -> None:
    with pytest.raises(TbftError, match="is no fleet"):
        open_fleet(tmp_path)


@pytest.mark.parametrize("group", ["", "Porch", "a b", "../x", "x" * 64, "-x"])
def test_a_group_has_a_name_that_fits_everywhere(tmp_path: Path, group: str) -> None:
    """In paths, inventories and labels; nothing is left where it does not."""
    with pytest.raises(TbftError, match="cannot be"):
        make_fleet(tmp_path / "fleet", [group])
    assert list(tmp_path.iterdir()) == []


def test_gates_of_a_group_count_instead(tmp_path: Path) -> None:
    """A release has those of all its groups, or is refused where they differ."""
    file = tmp_path / FILE
    file.write_text("[gates]\naccuracy = 0.9\n[groups.a]\n[groups.b]\n[groups.c.gates]\nlatency = 20\n")
    settings = read_settings(file)
    assert settings.gates_of(["a", "b"]) == Gates(accuracy=0.9)
    assert settings.gates_of(["c"]) == Gates(latency=20)
    with pytest.raises(TbftError, match="other gates than each other"):
        settings.gates_of(["a", "c"])
    with pytest.raises(TbftError, match="'d' is no group"):
        settings.gates_of(["d"])
