"""What is settled when a run begins."""

from __future__ import annotations

import msgspec

from tbft_artifacts.structs import Place, Word
from tbft_runtime.run.diagnosis_record import Diagnosis
from tbft_runtime.run.selection_record import Selection
from tbft_runtime.run.settings import Settings

# Settings that decide what a run's weights become; others may change when it goes on.
_DECISIVE = (
    "bundle_id", "plan", "batch_norm", "lr", "momentum", "weight_decay", "batch_size", "seed", "val_fraction",
    "labels", "check_labels",
)  # fmt: skip


class RunFile(msgspec.Struct, frozen=True):
    """`run.json`: where the bundle is, what the data was, and the settings.

    `started_at` is what the wall clock said (ISO 8601), a label that may be wrong. `diagnosis` is why the plan was
    chosen, where the device did, and `selection` which channels it trains, where the device chose them.
    """

    bundle: Place
    data_fingerprint: Word
    started_at: Word
    settings: Settings
    diagnosis: Diagnosis | None = None
    selection: Selection | None = None

    def is_of_same_run(self, other: RunFile) -> bool:
        """Whether both can be of one run, perhaps of different parts of it."""
        own = (self.data_fingerprint, self.started_at, self.selection)
        return own == (other.data_fingerprint, other.started_at, other.selection) and all(
            getattr(self.settings, name) == getattr(other.settings, name) for name in _DECISIVE
        )
