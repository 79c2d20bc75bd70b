"""Unpack a bundle from a `.tar.gz`, and nothing that leads out of it."""

from __future__ import annotations

import tarfile
from pathlib import Path

from tbft_artifacts.atomic import atomic_folder
from tbft_artifacts.errors import TbftError

SUFFIX = ".tar.gz"


def is_archive(path: Path) -> bool:
    """Whether `path` names a packed bundle."""
    return path.name.endswith(SUFFIX)


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
    except tarfile.FilterError as error:
        raise TbftError(f"'{archive}' leads out of its folder: {error}", "do not trust this bundle") from error
    except (tarfile.TarError, EOFError) as error:
        raise TbftError(f"'{archive}' is damaged: {error}", "copy it again") from error
    except FileNotFoundError as error:
        raise TbftError(f"bundle '{archive}' does not exist", "check the path") from error
