"""Which files and folders of a data set are the user's, and which the system put there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import UNLABELLED
from tbft_runtime.data.pictures import PICTURE_SUFFIXES

# Of file systems, Windows, macOS, Android and network storages; some may not even be deleted.
_OF_SYSTEMS = frozenset(
    {
        *("lost+found", "lost.dir", "system volume information", "$recycle.bin", "recycler", "recycled"),
        *("__macosx", "@eadir", "@recycle", "#recycle", "#snapshot", "@tmp"),
    }
)


def is_of_system(name: str) -> bool:
    """Whether a file or folder of that name is hidden, or nobody's who collects pictures."""
    return name.startswith(".") or name.lower() in _OF_SYSTEMS


def is_picture(name: str) -> bool:
    """Whether a file of that name is read as a picture."""
    return Path(name).suffix.lower() in PICTURE_SUFFIXES and not is_of_system(name)


def class_folders(folder: Path) -> list[str]:
    """The classes that a folder of pictures shows, in the order of their labels. Raises OSError if it is not read."""
    names = sorted(each.name for each in folder.iterdir() if each.is_dir())
    return [name for name in names if name != UNLABELLED and not is_of_system(name)]


def pictures_in(folder: Path) -> list[Path]:
    """The pictures that lie in a folder itself, by name. Raises OSError if it cannot be read."""
    return sorted(file for file in folder.iterdir() if is_picture(file.name))


def pictures_below(folder: Path) -> list[Path]:
    """The pictures in a folder at any depth, by path. Raises TbftError if a folder cannot be read."""
    return files_below(folder, is_picture)


def files_below(folder: Path, is_one: Callable[[str], bool]) -> list[Path]:
    """The files in a folder at any depth whose name `is_one`, by path. Raises TbftError if a folder cannot be read."""
    return sorted(_walk(folder, is_one))


def _walk(folder: Path, is_one: Callable[[str], bool]) -> Iterator[Path]:
    for place, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not is_of_system(name)]
        # A folder may be named like a picture; it is told of as one that cannot be read.
        yield from (Path(place, name) for name in (*files, *folders) if is_one(name))


def _raise(error: OSError) -> None:
    raise unreadable(error) from error


def unreadable(error: OSError) -> TbftError:
    """What there is to say of a folder or file that the system does not let this user read."""
    return TbftError(f"data '{error.filename}' cannot be read ({error.strerror})", "check its permissions")
