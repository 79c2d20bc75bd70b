"""The program comes to a board from a folder of wheels, with no index and no network: a story, in its order."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.boards import Played
from support.pushing import Bed
from support.wheels import bare, of_version, wheelhouse

BOARD = "pi1"
# What a board answers with once all that it was given is there and fits together.
ASKED = """
from importlib.metadata import metadata, version
import onnxruntime, tuf.ngclient
from tbft_fleet.device.repository import repository
print(version("tbft-edge"), metadata("tbft-edge").get("Keywords"))
"""


@dataclass
class Board:
    """One without the program, whose own Python has no packages; `wheels` is the folder on the controller."""

    bed: Bed
    prefix: Path
    python: Path
    wheels: Path

    def install(self) -> Played:
        return self.bed.play(
            "install",
            fleet_hosts=BOARD,
            device_prefix=str(self.prefix),
            device_python=str(self.python),
            device_wheelhouse=str(self.wheels),
            ansible_python_interpreter=str(self.python),
        )

    def answers(self) -> str:
        """Version and keywords of the program that is there."""
        words = [self.prefix / "venv" / "bin" / "python", "-P", "-c", ASKED]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()

    @property
    def wheel(self) -> Path:
        """The newest of the program itself."""
        return max(self.wheels.glob("tbft_edge-*"))


@pytest.fixture(scope="module")
def board(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("install")
    wheels = folder / "wheels"
    reason = wheelhouse(wheels)
    if reason is not None:
        pytest.skip(f"nothing was installed: pip makes no wheelhouse here: {reason}")
    return Board(bed, folder / "program", bare(folder / "own"), wheels)


def test_a_board_gets_the_program_and_a_second_time_nothing(board: Board) -> None:
    """From wheels alone; Debian's Python has neither pip nor setuptools."""
    first = board.install()
    assert first.code == 0, first.said
    assert board.answers().startswith("0.1.0 ")
    again = board.install()
    assert again.code == 0, again.said
    assert again.recap[BOARD]["changed"] == 0, again.said


def test_a_newer_wheel_takes_the_place_of_the_older(board: Board) -> None:
    """And a wheel that the wheelhouse has no more does not stay on the board either."""
    older = board.wheel
    newer = of_version(older, "0.2.0")
    older.unlink()
    played = board.install()
    assert played.code == 0, played.said
    assert board.answers().startswith("0.2.0 ")
    assert [path.name for path in (board.prefix / "wheels").glob("tbft_edge-*")] == [newer.name]


def test_a_wheel_that_was_built_anew_is_installed_again(board: Board) -> None:
    """Whoever changes the code does not always change the version."""
    of_version(board.wheel, "0.2.0", keywords="anew")
    played = board.install()
    assert played.code == 0, played.said
    assert board.answers() == "0.2.0 anew"
    assert board.install().recap[BOARD]["changed"] == 0


def test_a_wheelhouse_that_lacks_a_wheel_is_named_and_the_old_program_stays(board: Board) -> None:
    """In one line: which board, which wheel."""
    older = board.wheel
    of_version(older, "0.3.0", needs="msgspec>=999")
    older.unlink()
    played = board.install()
    assert played.code != 0
    told = f"{BOARD} keeps the program that it has: No matching distribution found for msgspec>=999"
    assert f'"msg": "{told}"' in played.said
    assert board.answers() == "0.2.0 anew"


def test_a_folder_with_two_versions_is_refused(board: Board) -> None:
    """Of these pip takes the older where the newer lacks something, and says nothing."""
    of_version(board.wheel, "0.4.0")
    assert "has 2 wheels of tbft-edge, and not one" in board.install().said
