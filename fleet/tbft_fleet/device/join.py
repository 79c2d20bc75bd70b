"""How a device becomes one of a fleet: its folder, with a key that never leaves it, and what the host is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tbft_artifacts.atomic import atomic_file, clear_disk_errors
from tbft_artifacts.decode import MIB, said
from tbft_artifacts.errors import TbftError
from tbft_artifacts.minimum_runtime import installed_version
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.rights import PRIVATE_FILE, private_folder
from tbft_artifacts.signing.keys import new_key, public_pem
from tbft_artifacts.words import printable
from tbft_fleet.device.carrier import Folder, carrier_of
from tbft_fleet.device.node_key import make_node_key
from tbft_fleet.device.place import Device, Place
from tbft_fleet.device.trusted import check_root
from tbft_fleet.files.enrolment import Enrolment
from tbft_fleet.files.names import DeviceId
from tbft_fleet.files.signed import signed_enrolment
from tbft_runtime.board.access import THIS_BOARD, Board
from tbft_runtime.board.watch import identify

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

_TOML = """\
# Who this device is, to its fleet. Both names are in what the host signed: join anew to change them.
id = {id}
group = {group}
# Where releases come from: the URL of the fleet's repository, or a folder such as that of a stick.
{carrier}
# Labelled images of this device's own, on which gates are measured: a folder with a folder per class, or an .npz.
{images}
# Where what it tells is sent to, with PUT, if nobody takes it from the folder 'outbox'.
# results = "https://…"
"""


def join(
    folder: Path,
    root: Path,
    device: str,
    group: str,
    carrier: str | None,
    images: Path | None,
    board: Board = THIS_BOARD,
) -> Place:
    """Make the folder of a device.

    Args:
        folder: Where it will lie; it is there already where an earlier call was interrupted.
        root: The fleet's root metadata, brought by somebody who is trusted: all trust in releases begins with it.
        device: Its name, unlike any other's in the fleet.
        group: Whose releases it takes.
        carrier: A URL, or a folder, which need not be there yet; None where each pull is told.
        images: Labelled ones of its own, for gates; None where it has none.
        board: What the host is told of; tests give another.

    Raises:
        TbftError: A device joined there already; a name is none, or a file cannot be read or written.
    """
    place = Place(folder)
    if place.settings.exists():
        raise TbftError(f"'{folder}' is a device's already: '{place.id}'", "choose another folder")
    found = _device(device, group, carrier, images)
    content = _root(root)
    check_root(content, str(root))
    with clear_disk_errors(folder):
        private_folder(folder)
    signer = place.signer() if place.key.exists() else new_key(place.key)
    node_key = make_node_key(place.node_key)
    for path, written in (
        (place.root, content),
        (place.counter, b"0\n"),
        (place.enrolment, signed_enrolment(_enrolment(found, signer, node_key, board), signer)),
        # The last one: what has it joined.
        (place.settings, _written(found).encode()),
    ):
        with atomic_file(path, mode=PRIVATE_FILE) as temporary:
            temporary.write_bytes(written)
    return place


def _device(device: str, group: str, carrier: str | None, images: Path | None) -> Device:
    for name, text in (("device", device), ("group", group)):
        try:
            msgspec.convert(text, DeviceId)
        except msgspec.ValidationError as error:
            raise TbftError(
                f"`{name}` '{text}' is no name in a fleet",
                "names are a-z, 0-9 and -, at most 63, as those of hosts are",
            ) from error
    if images is not None and not (images.is_dir() or images.is_file()):
        why = "are no folder and no file" if images.exists() else "do not exist"
        raise TbftError(f"`images` '{images}' {why}", "give a folder with a folder per class, or an .npz")
    if carrier is not None and isinstance(carrier_of(carrier), Folder):
        # Whoever pulls may be in another folder.
        carrier = str(Path(carrier).absolute())
    made = Device(id=device, group=group, carrier=carrier, images=None if images is None else str(images.absolute()))
    try:
        # What is written is read again with each pull.
        return msgspec.convert(msgspec.to_builtins(made), Device)
    except msgspec.ValidationError as error:
        raise TbftError(f"where releases come from, or `images`, cannot be: {said(error)}", "check both") from error


def _root(path: Path) -> bytes:
    try:
        content = read_at_most(path, MIB)
    except FileNotFoundError as error:
        raise TbftError(f"root metadata '{path}' do not exist", "copy root.json from the fleet's folder") from error
    except OSError as error:
        raise unreadable(path, error) from error
    return content


def _enrolment(device: Device, signer: CryptoSigner, node_key: str, board: Board) -> Enrolment:
    return Enrolment(
        device=device.id,
        group=device.group,
        public_key=public_pem(signer.public_key),
        board=printable(identify(board).model)[:1000],
        runtime=installed_version(),
        node_key=node_key,
    )


def _written(device: Device) -> str:
    return _TOML.format(
        id=_quoted(device.id),
        group=_quoted(device.group),
        carrier=_line("carrier", device.carrier),
        images=_line("images", device.images),
    )


def _line(name: str, value: str | None) -> str:
    return f'# {name} = "…"' if value is None else f"{name} = {_quoted(value)}"


def _quoted(text: str) -> str:
    """A basic string of TOML: as JSON has it, but for one letter more that must not stand there as it is."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")
