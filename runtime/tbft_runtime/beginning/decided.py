"""What a run trains, whoever decided it."""

from __future__ import annotations

from dataclasses import dataclass

from tbft_artifacts.plan import Plan
from tbft_runtime.data.dataset import TrainingData
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.run.diagnosis_record import Diagnosis
from tbft_runtime.run.selection_record import Selection
from tbft_runtime.run.state import Arrays


@dataclass(frozen=True)
class Decided:
    """The plan of a run, and what had to be made to decide; None is what nobody needed for that."""

    plan: Plan
    """With the channels that the device chose, if it chose any."""
    diagnosis: Diagnosis | None = None
    """Why it is that plan, where the device found out what drifted."""
    selection: Selection | None = None
    """Why those channels."""
    data: TrainingData | None = None
    """The run's images, prepared."""
    weights: Tensors | None = None
    """Those of the bundle."""
    adapted: Arrays | None = None
    """Re-estimated statistics of batch norms."""
    process: int | None = None
    """Bytes that the process holds before training, its weights aside."""
