"""The releases that did not stay on a device: none of them is tried twice, whatever was tried since."""

from __future__ import annotations

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.own import read_own
from tbft_artifacts.rights import PRIVATE_FILE
from tbft_artifacts.structs import Some
from tbft_fleet.device.place import Place

# More than a host keeps to choose from.
_MOST = 64


def failed(place: Place) -> frozenset[int]:
    """Their numbers; a file that is damaged costs one more try of each."""
    return frozenset(read_own(place.failed, tuple[Some, ...]) or ())


def add_failed(place: Place, number: int) -> None:
    """One more. Raises TbftError for a full disk."""
    numbers = sorted({*failed(place), number})[-_MOST:]
    with atomic_file(place.failed, mode=PRIVATE_FILE) as temporary:
        temporary.write_bytes(msgspec.json.encode(numbers))
