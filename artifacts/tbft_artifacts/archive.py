"""Open a bundle wherever it is: a folder, or a `.tar.gz`, of which nothing may lead out."""

from __future__ import annotations

import contextlib
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from tbft_artifacts.atomic import atomic_folder
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError

SUFFIX = ".tar.gz"
_CHUNK = 1 << 20


def is_archive(path: Path) -> bool:
    """Whether `path` names a packed bundle."""
    return path.name.endswith(SUFFIX)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """The verified bundle at `path`; an archive is unpacked for as long as the block lasts.

    Raises TbftError as `unpack` and `open_bundle` do.
    """
    if not is_archive(path):
        yield open_bundle(path)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "bundle"
        unpack(path, folder)
        yield open_bundle(folder, shown=path)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack `archive` into the new folder `folder`.

    Only plain files and folders inside it are taken (PEP 706's `data` filter). Raises TbftError for
    anything else, a damaged or missing archive, and a full disk.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar, atomic_folder(folder) as temporary:
            for member in tar:
                if not (member.isfile() or member.isdir()):
                    raise TbftError(f"'{archive}' holds '{member.name}', which is no plain file", "do not trust it")
                tar.extract(member, temporary, filter="data")
            # tarfile takes a damaged header for the end; the checksum behind everything knows better.
            while tar.fileobj is not None and tar.fileobj.read(_CHUNK):
                pass
    except tarfile.FilterError as error:
        raise TbftError(f"'{archive}' leads out of its folder: {error}", "do not trust this bundle") from error
    except FileNotFoundError as error:
        raise TbftError(f"bundle '{archive}' does not exist", "check the path") from error
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        raise TbftError(f"'{archive}' is damaged: {error}", "copy it again") from error
