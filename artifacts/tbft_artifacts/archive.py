"""Open a bundle wherever it is: a folder, or a `.tar.gz`, of which nothing may lead out."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tbft_artifacts.atomic import NO_SPACE, atomic_folder
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.disk import disk_of
from tbft_artifacts.errors import TbftError
from tbft_artifacts.packed import Packed, find_bundle, take_files
from tbft_artifacts.regular import help_with, open_regular, unreadable
from tbft_artifacts.signing.bundles import check_signature, signature_beside
from tbft_artifacts.signing.trust import trusted_keys
from tbft_artifacts.temporary_folder import temporary_folder
from tbft_artifacts.unchanged import Unchanged

SUFFIX = ".tar.gz"
_OTHER_SUFFIXES = (".7z", ".gz", ".rar", ".tar", ".tar.bz2", ".tar.xz", ".tar.zst", ".tbz2", ".tgz", ".txz", ".zip")
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
_OTHER_PLACE = "free some space there, or set TMPDIR to a folder of another disk; a bundle's folder needs no unpacking"


def is_archive(path: Path) -> bool:
    """Whether `path` names a packed bundle."""
    return path.name.endswith(SUFFIX)


def check_packed_name(path: Path) -> None:
    """Raise TbftError for a bundle to write that is named after another kind of archive."""
    name = path.name.lower()
    if not is_archive(path) and name.endswith(_OTHER_SUFFIXES):
        raise TbftError(
            f"a bundle is packed as {SUFFIX}, and '{path}' would be a folder of that name",
            f"give a name that ends in {SUFFIX}, or that of a folder",
        )


@contextlib.contextmanager
def opened(
    path: str | os.PathLike[str], expect_id: str | None = None, trust: str | os.PathLike[str] | None = None
) -> Iterator[Bundle]:
    """The verified bundle at `path`; an archive is unpacked for as long as the `with` block lasts.

    Args:
        path: The bundle's folder, or its `.tar.gz`.
        expect_id: The id that the bundle must have, all 64 digits; None: whichever it has. It is compared before
            anything but the manifest is read.
        trust: The file of public keys one of which must have signed it, an archive and what is in it; None: this
            machine's trust file, if it has one.

    Yields:
        What `open_bundle` gives; of an archive its folder is a temporary one.

    Raises:
        TbftError: As `open_bundle`; also for an archive that is missing or damaged, or holds what no bundle does, and
            where there is no space to unpack it.

    Example:
        >>> from tbft_artifacts.archive import opened
        >>> with opened("bundle.tar.gz") as bundle:
        ...     print(bundle.manifest.classes)
        ('ant', 'bee', 'cat', 'dog')
    """
    path = Path(path)
    if not is_archive(path):
        yield open_bundle(path, expect_id=expect_id, trust=trust)
        return
    with contextlib.ExitStack() as stack:
        with _found(path, expect_id, trust) as (file, packed):
            temporary = stack.enter_context(temporary_folder())
            folder = temporary / "bundle"
            with _told(path, temporary.parent, _OTHER_PLACE):
                folder.mkdir()
                _take(file, path, packed, folder, temporary.parent, _OTHER_PLACE)
        yield open_bundle(folder, shown=path, expect_id=expect_id, trust=trust)


def unpack(
    archive: Path, folder: Path, expect_id: str | None = None, shown: Path | None = None, *, vouched: bool = False
) -> None:
    """Unpack the bundle in `archive` into the new folder `folder`: its signature, and the files its manifest lists.

    Errors call the folder `shown`. `vouched`: somebody else signed the archive's bytes, such as a fleet, and whether
    keys that are trusted here signed the bundle is for `open_bundle` to say alone.

    Raises TbftError as `opened` does; `folder` is then as it was. That the files are what was exported is for
    `open_bundle` to say.
    """
    place, more = folder.parent, "free some space; what was saved before is kept"
    with (
        _found(archive, expect_id, vouched=vouched) as (file, packed),
        _told(archive, place, more),
        atomic_folder(folder, shown) as temporary,
    ):
        _take(file, archive, packed, temporary, place, more)


def archived_id(archive: Path, expect_id: str | None = None) -> str:
    """The id that the manifest inside `archive` has; its files are not looked at. Raises TbftError as `unpack` does."""
    with _found(archive, expect_id) as (_, packed):
        return packed.manifest.bundle_id


def _take(file: BinaryIO, archive: Path, packed: Packed, folder: Path, place: Path, more: str) -> None:
    _check_space(packed.bytes, archive, folder, place, more)
    with _reading(archive):
        file.seek(0)
    take_files(file, archive, packed, folder)


def _check_space(needed: int, archive: Path, folder: Path, place: Path, more: str) -> None:
    """Before anything is written: a full disk starves everything else on a board."""
    disk = disk_of(folder)
    if disk is not None and needed > disk.free:
        raise TbftError(
            f"no space left in '{place}' to unpack '{archive}': it takes {needed / 1e6:,.1f} MB, "
            f"and {disk.free / 1e6:,.1f} MB are free",
            more,
        ) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place))


@contextlib.contextmanager
def _found(
    archive: Path, expect_id: str | None, trust: str | os.PathLike[str] | None = None, *, vouched: bool = False
) -> Iterator[tuple[BinaryIO, Packed]]:
    """The open archive, and the bundle in it. Where keys are trusted its signature comes before all else."""
    with _reading(archive):
        file = open_regular(archive)
    with file:
        keys = None if vouched else trusted_keys(trust)
        if keys is None:
            yield file, find_bundle(file, archive, expect_id)
            return
        # What is signed alone: the archive. A signature in it is a member like any other, and none was read yet.
        with _reading(archive):
            unchanged = Unchanged(file, archive)
        signed = check_signature(signature_beside(archive), unchanged.sha256, keys, archive)
        with io.BufferedReader(unchanged) as whole:
            packed = find_bundle(whole, archive, expect_id)
            signed.check(packed.manifest.bundle_id, archive)
            yield whole, packed


@contextlib.contextmanager
def _reading(archive: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise TbftError(f"bundle '{archive}' does not exist", "check the path") from error
    except OSError as error:
        raise unreadable(archive, error) from error


@contextlib.contextmanager
def _told(archive: Path, place: Path, more: str) -> Iterator[None]:
    """What cannot be written is no damage of the archive, whose own errors are none of the system any more."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise TbftError(f"no space left in '{place}' to unpack '{archive}'", more) from error
        raise TbftError(
            f"'{archive}' cannot be unpacked into '{place}' ({error.strerror})",
            more if error.errno in _READ_ONLY else help_with(error),
        ) from error
