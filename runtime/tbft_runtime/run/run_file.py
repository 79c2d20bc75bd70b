"""What is settled when a run begins."""

from __future__ import annotations

import msgspec

from tbft_artifacts.structs import Place, Word
from tbft_runtime.run.base_record import Base
from tbft_runtime.run.diagnosis_record import Diagnosis
from tbft_runtime.run.learned_record import Learned
from tbft_runtime.run.selection_record import Selection
from tbft_runtime.run.settings import Settings

# Settings that decide what a run's weights become; others may change when it goes on.
_DECISIVE = (
    "bundle_id", "plan", "batch_norm", "lr", "momentum", "weight_decay", "batch_size", "seed", "val_fraction",
    "augment",
    "class_weights",
    "starting_head",
    "remember",
    "distill",
    "label_smoothing",
    "labels",
    "check_labels",
)  # fmt: skip


class RunFile(msgspec.Struct, frozen=True):
    """`run.json`: where the bundle is, what the data was, and the settings.

    `started_at` is what the wall clock said (ISO 8601), a label that may be wrong. `diagnosis` is why the plan was
    chosen, where the device did, and `selection` which channels it trains, where the device chose them. `base` is
    where its first weights came from, unless they are the bundle's, and `added` are classes behind the bundle's own.
    `learned` is the head that was made in one pass, without epochs.
    """

    bundle: Place
    data_fingerprint: Word
    started_at: Word
    settings: Settings
    diagnosis: Diagnosis | None = None
    selection: Selection | None = None
    base: Base | None = None
    added: tuple[Word, ...] = ()
    learned: Learned | None = None

    @property
    def trains(self) -> bool:
        """Whether parameters of the plan become others, and not statistics alone."""
        return self.settings.epochs > 0 or self.learned is not None

    def is_of_same_run(self, other: RunFile) -> bool:
        """Whether both can be of one run, perhaps of different parts of it."""
        settled = ("data_fingerprint", "started_at", "selection", "base", "added")
        return all(getattr(self, name) == getattr(other, name) for name in settled) and all(
            getattr(self.settings, name) == getattr(other.settings, name) for name in _DECISIVE
        )
