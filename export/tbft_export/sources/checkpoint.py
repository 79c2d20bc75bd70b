"""A file of PyTorch's, read without running anything that is in it."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from tbft_artifacts.errors import TbftError

_SAVE = "save only the state dict: torch.save(model.state_dict(), path)"
# What training scripts leave in checkpoints beside tensors; of older files nothing says what is in them.
_COMMON = (
    "argparse.Namespace",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "pathlib.PosixPath",
    "datetime.datetime",
)


class Unread:
    """Stands where a checkpoint has an object of a class that is not read: it takes anything, and does nothing.

    `kind` is the class in the checkpoint, which is not imported.
    """

    kind = ""

    def __new__(cls, *_: Any) -> Unread:
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None:
        """Nothing."""

    def __setstate__(self, _: Any) -> None:
        """Nothing."""


def read_checkpoint(path: Path) -> object:
    """What `torch.save` wrote to `path`, with tensors, numbers, texts and what holds them; all else is `Unread`.

    Raises TbftError for a file that is damaged, or holds a program or a whole module instead of tensors.
    """
    if _is_program(path):
        raise TbftError(
            f"'{path}' holds a program of torch.jit or torch.export, not weights alone",
            "save the state dict of the module that it was made from: torch.save(model.state_dict(), path)",
        )
    try:
        # It warns of files of other versions, which are no reason to worry.
        with warnings.catch_warnings(), safe_globals([(_stand_in(name), name) for name in _unread(path)]):
            warnings.simplefilter("ignore")
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        # PyTorch's own words are about how to run whatever is in there.
        raise TbftError(f"'{path}' cannot be read as plain tensors: it is damaged, or holds more", _SAVE) from error
    except Exception as error:  # A damaged file can make the unpickler raise almost anything.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TbftError(f"'{path}' cannot be read as plain tensors: {reason}", _SAVE) from error
    inner = content.get("model", content) if isinstance(content, Mapping) else content
    if isinstance(inner, Unread):
        raise TbftError(
            f"'{path}' holds a whole object ({inner.kind}), whose code would have to run, not its weights",
            f"where that code is, {_SAVE}",
        )
    return content


def _unread(path: Path) -> tuple[str, ...]:
    """The classes and functions that the file at `path` names and that are none of tensors."""
    if not zipfile.is_zipfile(path):
        return _COMMON
    return (*_COMMON, *get_unsafe_globals_in_checkpoint(path))


def _stand_in(name: str) -> type[Unread]:
    return type("Unread", (Unread,), {"kind": name})


def _is_program(path: Path) -> bool:
    """Whether the file is one of torch.jit.save or torch.export.save, both archives with code or a graph."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return any("/code/" in name or name.endswith("archive_format") for name in names)
