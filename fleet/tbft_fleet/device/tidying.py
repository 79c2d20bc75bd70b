"""What is put right before anything is taken: what killed processes left, and what a disk lost."""

from __future__ import annotations

import shutil

from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.numbered import NONE
from tbft_artifacts.rights import private_folder
from tbft_artifacts.signing.trust import UntrustedError
from tbft_artifacts.temporary import remove_all
from tbft_fleet.device.place import Place


def is_whole(place: Place, number: int) -> bool:
    """Whether every file of a release is there as it was signed."""
    known = place.release(number)
    try:
        return known is not None and bool(open_bundle(place.bundle(number), expect_id=known.bundle_id))
    except UntrustedError:
        # Nobody damaged it; whether it is opened is for those to say who use it.
        return True
    except TbftError:
        return False


def tidy(place: Place) -> None:
    """Leave whole releases alone, and let the pointer and the link lead to one of them.

    Of what runs a damaged release is removed, and the last one before that is whole takes the place.
    """
    for folder in (place.releases.folder, place.incoming):
        private_folder(folder)
    place.releases.clear_discarded()
    remove_all(place.releases.folder)
    # As python-tuf calls what it writes.
    remove_all(place.tuf, "tmp*")
    # Each once: where the card can be read only, none goes.
    for _ in place.releases.numbers():
        number = place.current()
        if number == NONE or is_whole(place, number):
            break
        place.releases.discard(number)
    if place.releases.pointed() != place.current():
        place.releases.point(place.current())
    place.mend_link()


def clear_incoming(place: Place) -> None:
    """Remove archives that are of no more use."""
    shutil.rmtree(place.incoming, ignore_errors=True)
    private_folder(place.incoming)
