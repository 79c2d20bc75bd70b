"""A verified archive becomes the folder of a release beside those that are there; what runs is not touched."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tbft_artifacts.archive import unpack
from tbft_artifacts.atomic import NO_SPACE, atomic_folder
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.trust import UntrustedError
from tbft_fleet.device.place import Place
from tbft_fleet.device.tidying import is_whole
from tbft_fleet.files.release import Release

# What systems say of names that they cannot hold: no room that somebody makes helps against that.
_OF_NAMES = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EILSEQ}


def holder(place: Place, release: Release) -> Path | None:
    """Where the bundle of a release lies that another one had, whole; None where it does not."""
    others = (number for number in _holders(place, release.bundle_id) if number != release.number)
    found = (number for number in others if is_whole(place, number))
    return next(map(place.bundle, found), None)


def stage(place: Place, release: Release, archive: Path) -> None:
    """Let the release lie in its folder: of the archive what its manifest lists, a delta laid over its parent.

    The folder of a bundle that lies here already will do as well.

    Raises TbftError; behind one of a disk (`is_of_the_disk`) the same archive may do later, behind any other it is none
    for this device. There is no folder of the release then.
    """
    folder = place.releases.place(release.number)
    try:
        with atomic_folder(folder) as temporary:
            (temporary / "release.json").write_bytes(msgspec.json.encode(release))
            bundle = temporary / "bundle"
            if archive.is_dir():
                _copy(archive, bundle)
            elif release.parent is None:
                unpack(archive, bundle, expect_id=release.bundle_id, shown=folder, vouched=True)
            else:
                # Only here: it imports ONNX Runtime.
                from tbft_fleet.merging.delta import laid_over

                laid_over(_parent(place, release.parent), archive, bundle)
            open_bundle(bundle, shown=archive, expect_id=release.bundle_id)
    except (TbftError, OSError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in NO_SPACE:
            raise
        # Nobody knows the temporary folder.
        raise TbftError(
            f"no space left in '{folder.parent}' to stage release {release.number}",
            "free some space; what runs here goes on running",
        ) from cause


def is_of_the_disk(error: TbftError) -> bool:
    """Whether this machine is to blame, and not what came."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno not in _OF_NAMES


def _copy(bundle: Path, to: Path) -> None:
    """Not as shutil.copytree does, which goes on behind a full disk, and forgets that it was that."""
    for path in (bundle, *sorted(bundle.rglob("*"))):
        place = to / path.relative_to(bundle)
        if path.is_dir():
            place.mkdir()
        else:
            shutil.copyfile(path, place)


def _parent(place: Place, bundle_id: str) -> Bundle:
    for number in _holders(place, bundle_id):
        try:
            return open_bundle(place.bundle(number), expect_id=bundle_id)
        except UntrustedError:
            raise
        except TbftError:
            # What a disk lost of it, another release of the same bundle may have.
            continue
    raise TbftError(
        f"it has to be laid over bundle {bundle_id[:12]}, which this device does not have", "release the whole bundle"
    )


def _holders(place: Place, bundle_id: str) -> Iterator[int]:
    """The releases of a bundle, whole or not."""
    for number in place.releases.numbers():
        known = place.release(number)
        if known is not None and known.bundle_id == bundle_id:
            yield number
