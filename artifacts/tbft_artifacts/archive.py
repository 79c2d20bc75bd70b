"""Open a bundle wherever it is: a folder, or a `.tar.gz`, of which nothing may lead out."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tbft_artifacts.atomic import atomic_folder
from tbft_artifacts.bundle import Bundle, check_name, decode_manifest, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import MANIFEST

SUFFIX = ".tar.gz"
_CHUNK = 1 << 20


def is_archive(path: Path) -> bool:
    """Whether `path` names a packed bundle."""
    return path.name.endswith(SUFFIX)


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Bundle]:
    """The verified bundle at `path`; an archive is unpacked for as long as the `with` block lasts.

    Args:
        path: The bundle's folder, or its `.tar.gz`.

    Yields:
        What `open_bundle` gives; of an archive its folder is a temporary one.

    Raises:
        TbftError: As `open_bundle`; also for an archive that is missing or damaged, and for a full disk.

    Example:
        >>> from tbft_artifacts.archive import opened
        >>> with opened("bundle.tar.gz") as bundle:
        ...     print(bundle.manifest.classes)
        ('ant', 'bee', 'cat', 'dog')
    """
    path = Path(path)
    if not is_archive(path):
        yield open_bundle(path)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "bundle"
        unpack(path, folder)
        yield open_bundle(folder, shown=path)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack `archive` into the new folder `folder`.

    Only plain files and folders inside it are taken; tarfile's own filter is not used, since Python
    3.11.2 of Debian 12 lacks it. Raises TbftError for anything else, a damaged or missing archive, and a
    full disk.
    """
    with _clear_errors(archive), tarfile.open(archive, "r:gz") as tar, atomic_folder(folder) as temporary:
        for member in tar:
            if not (member.isfile() or member.isdir()):
                raise TbftError(f"'{archive}' holds '{member.name}', which is no plain file", "do not trust it")
            name = member.name.lstrip("/")
            if member.isfile():
                check_name(name, archive)
                _extract(tar, member, temporary / name)
        # tarfile takes a damaged header for the end; the checksum behind everything knows better.
        while tar.fileobj is not None and tar.fileobj.read(_CHUNK):
            pass


def archived_id(archive: Path) -> str:
    """The bundle id that the manifest inside `archive` states, unverified. Raises TbftError as `unpack` does."""
    with _clear_errors(archive), tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            found = member.isfile() and PurePosixPath(member.name) == PurePosixPath(MANIFEST)
            content = tar.extractfile(member) if found else None
            if content is not None:
                return decode_manifest(content.read(), archive).bundle_id
    raise TbftError(f"'{archive}' is no bundle: it holds no {MANIFEST}", "make a bundle with 'tbft-edge export'")


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None  # It is a plain file.
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file, _CHUNK)


@contextlib.contextmanager
def _clear_errors(archive: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise TbftError(f"bundle '{archive}' does not exist", "check the path") from error
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, IsADirectoryError, ValueError) as error:
        raise TbftError(f"'{archive}' is damaged: {error}", "copy it again") from error
