"""Names that a bundle or a model may bring: what people can read, of a length that they do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import UNLABELLED
from tbft_artifacts.words import clean, shortened

# Classes have names of people's languages; ImageNet's longest has 121 characters.
LONGEST_CLASS = 500
MOST_CLASSES = 10_000
# A folder or file can be named with so many bytes.
LONGEST_ID = 255
# Modules and tensors, nested as deeply as anyone does.
LONGEST_NAME = 1000


def name_fault(what: str, name: str, longest: int = LONGEST_NAME) -> str | None:
    """What keeps `name` from being one: it is empty, too long, or has characters that do more than be seen."""
    if not name.strip():
        return f"{what} without a name"
    if len(name) > longest:
        return f"{what} whose name has {len(name):,} characters ({longest} at most): '{shortened(name, 80, 80)}'"
    if clean(name) != name:
        return f"{what} whose name has control or invisible characters: {ascii(name)[:100]}"
    return None


def name_faults(what: str, names: Iterable[str], longest: int = LONGEST_NAME) -> Iterator[str]:
    """`name_fault` of each name, and of names that stand there twice."""
    seen: set[str] = set()
    for name in names:
        fault = name_fault(what, name, longest)
        if fault is not None:
            yield fault
        if name in seen:
            yield f"{what} twice: '{name}'"
        seen.add(name)


def check_folder_names(classes: Iterable[str]) -> None:
    """Raises TbftError for a class that no folder of its pictures can be named after.

    On a device each class is a folder, and one of these means no label.
    """
    for name in classes:
        if not name or name == UNLABELLED or name.startswith(".") or "/" in name or "\0" in name:
            raise TbftError(f"'{name}' cannot be a class: it is no name for a folder of pictures", "rename the class")


def class_faults(classes: tuple[str, ...]) -> Iterator[str]:
    """What keeps `classes` from being those of a model."""
    if not 1 <= len(classes) <= MOST_CLASSES:
        yield f"{len(classes):,} classes, which are between 1 and {MOST_CLASSES:,}"
        return
    yield from name_faults("a class", classes, LONGEST_CLASS)
