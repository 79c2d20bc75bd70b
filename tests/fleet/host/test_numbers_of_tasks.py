"""The number of a task that is written can be read again, and one that cannot be is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fleets import new_fleet
from tbft_artifacts.errors import TbftError
from tbft_fleet.files.release import HIGHEST
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.merges import next_number


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return new_fleet(tmp_path / "fleet")


@pytest.fixture
def file(fleet: Fleet) -> Path:
    (fleet.folder / "rounds").mkdir()
    return fleet.folder / "rounds" / "number"


def test_numbers_count_up(fleet: Fleet) -> None:
    assert [next_number(fleet) for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff", b"-7\n", b"9" * 14, b"9" * 5000, str(HIGHEST).encode()])
def test_what_is_no_number_is_told_and_stays(fleet: Fleet, file: Path, content: bytes) -> None:
    """A merge of a number that its record has no room for would keep a fleet from every later release."""
    file.write_bytes(content)
    with pytest.raises(TbftError, match="rounds/number"):
        next_number(fleet)
    assert file.read_bytes() == content
    file.write_text(f"{HIGHEST - 1}\n")
    assert next_number(fleet) == HIGHEST
