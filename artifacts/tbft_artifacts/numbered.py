"""Folders with numbers, and a file beside them that says which one counts, changed by one rename.

Whoever is killed, or loses power, finds the one before or the one after, and never neither.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.regular import read_at_most

# Of no folder: what counts as long as none was chosen.
NONE = 0
_NUMBER = re.compile(r"[0-9]{6,10}")


@dataclass(frozen=True)
class Numbered:
    """Those in `folder`."""

    folder: Path

    def place(self, number: int) -> Path:
        """Where one of them lies, or would."""
        return self.folder / f"{number:06}"

    def numbers(self) -> list[int]:
        """Of all that are there, whole or not, in order."""
        names = [path.name for path in self.folder.iterdir()]
        return sorted(int(name) for name in names if _NUMBER.fullmatch(name) and int(name) != NONE)

    def pointed(self) -> int | None:
        """The one that counts, there or not; `NONE` as long as none was chosen, None where nobody knows any more."""
        try:
            return int(read_at_most(self._pointer, 64).decode("ascii"))
        except FileNotFoundError:
            return NONE
        except (OSError, ValueError):
            return None

    @property
    def was_chosen(self) -> bool:
        """Whether one ever was, or `NONE` was, as far as the disk still knows."""
        return self._pointer.exists()

    def point(self, number: int) -> None:
        """Let it count from now on, also after a pulled plug. Raises TbftError for a full disk."""
        with atomic_file(self._pointer) as temporary:
            temporary.write_text(f"{number}\n", encoding="ascii")

    def discard(self, number: int) -> None:
        """Remove one, which is none any more from the first moment on."""
        place = self.place(number)
        gone = self.folder / f".old-{place.name}"
        shutil.rmtree(gone, ignore_errors=True)
        with contextlib.suppress(OSError):
            place.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def clear_discarded(self) -> None:
        """Remove what was being removed when the power went."""
        for path in self.folder.glob(".old-*"):
            shutil.rmtree(path, ignore_errors=True)

    @property
    def _pointer(self) -> Path:
        return self.folder / "current"
