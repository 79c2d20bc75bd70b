"""What a device cannot join with is told before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.agents import NO_BOARD
from support.fleets import new_fleet
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.join import join
from tbft_fleet.device.place import Place
from tbft_fleet.device.repository import repository

# Paths may have ends of lines.
WRONG = {
    "a\0b": "where releases come from",
    "x" * 5000: "where releases come from",
    "": "`carrier` is empty",
    "http://host/a\nb": "no ends of lines",
    "http://host/a b": "no spaces",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_fleet(tmp_path_factory.mktemp("fleet") / "fleet").root


def joining(folder: Path, root: Path, carrier: str | None = None) -> Place:
    return join(folder, root, "pi-7", "porch", carrier, None, NO_BOARD)


@pytest.mark.parametrize(("carrier", "why"), WRONG.items(), ids=lambda text: repr(text)[:20])
def test_what_could_not_be_asked_is_not_written(tmp_path: Path, root: Path, carrier: str, why: str) -> None:
    """Joining would be through, and every pull fail."""
    with pytest.raises(TbftError, match=why):
        joining(tmp_path / "state", root, carrier=carrier)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("carrier", ["", "a\0b", "http://host/a\nb"], ids=repr)
def test_what_somebody_writes_into_the_settings_is_told(tmp_path: Path, root: Path, carrier: str) -> None:
    """By the next pull, in a line."""
    place = joining(tmp_path / "state", root)
    place.settings.write_text(place.settings.read_text() + f"carrier = {json.dumps(carrier)}\n")
    with pytest.raises(TbftError, match=r"device\.toml' cannot be read|no ends of lines"):
        repository(place, None, print, ahead=False)


def test_images_are_a_folder_or_a_file(tmp_path: Path, root: Path) -> None:
    """Anything else is found out by the first gate, far from whoever joined the board."""
    for images, why in ((Path("/dev/null"), "are no folder and no file"), (tmp_path / "none", "do not exist")):
        with pytest.raises(TbftError, match=why):
            join(tmp_path / "state", root, "pi-7", "porch", None, images, NO_BOARD)


@pytest.mark.parametrize(
    "address", ["http://user:hunter2@host/fleet", "https://hunter2@host", "ftp://user:hunter2@host/"]
)
def test_no_password_is_kept_or_printed(tmp_path: Path, root: Path, address: str) -> None:
    """The address stands in errors, and these in logs."""
    with pytest.raises(TbftError, match="a name or a password before its host") as caught:
        joining(tmp_path / "state", root, carrier=address)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"
    assert not (tmp_path / "state").exists()
    assert joining(tmp_path / "other", root, carrier="http://host/a@b").device.carrier == "http://host/a@b"


def test_a_broken_key_is_not_made_anew_by_hand(tmp_path: Path, root: Path) -> None:
    """Another one would be nobody's: the host knows the device by this one."""
    place = joining(tmp_path / "state", root)
    place.key.write_bytes(b"junk")
    with pytest.raises(TbftError, match=r"key\.pem' holds no private key") as caught:
        place.signer()
    assert "join the device anew" in caught.value.hint
