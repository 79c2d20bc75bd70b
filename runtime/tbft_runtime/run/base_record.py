"""What a run that did not begin with its bundle's own weights began with."""

from __future__ import annotations

import msgspec

from tbft_artifacts.stored_paths import from_stored
from tbft_artifacts.structs import Part, Place, Sha256, Word
from tbft_artifacts.words import printable


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """Weights that a run began with: tensors in its folder, which count instead of the bundle's."""

    source: Place
    """The run, or the `.safetensors` file, that they came from, as an absolute path; nothing is read there again."""
    sha256: Sha256
    """Of the file `base.safetensors` in the run's folder."""
    plan: Word | None = None
    """What the run that they came from trained; None of a file."""
    accuracy: Part | None = None
    """Of that run's best state on its own validation images, 0 to 1; None where none had a label, and of a file."""
    started_at: Word | None = None
    """When that run began (ISO 8601), by the wall clock of its board; None of a file."""

    @property
    def shown(self) -> str:
        """`source` as every text can hold it."""
        return printable(from_stored(self.source))
