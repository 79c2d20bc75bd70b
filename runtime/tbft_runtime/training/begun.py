"""Weights to begin with: the best ones of an earlier run, or those in a file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.stored_paths import stored as stored_path
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.run.base import read_weights, unlike
from tbft_runtime.run.base_record import Base
from tbft_runtime.run.epoch import Evaluation
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.trained import as_begun, read_trained
from tbft_runtime.training.sparse_rows import merged


@dataclass(frozen=True)
class Begun:
    """What a run is to begin with: the bundle with other weights than its own, and the run that these came from."""

    bundle: Bundle
    source: str
    """Where they came from, as an absolute path."""
    run: RunFile | None = None
    """What that run was; None of a file."""
    best: Evaluation | None = None
    """How good it was on its own validation images; None where none had a label, and of a file."""

    def base(self, sha256: str) -> Base:
        """What the new run's folder says of it, where the tensors lie in a file with that sha256."""
        return Base(
            source=self.source,
            sha256=sha256,
            plan=self.run.settings.plan if self.run else None,
            accuracy=self.best.accuracy if self.best else None,
            started_at=self.run.started_at if self.run else None,
        )


def begun_from(bundle: Bundle, source: Path) -> Begun:
    """The bundle with the best weights of the run in `source`, or with the tensors of a file.

    Raises TbftError for a run that has none, is damaged or is of another bundle, and for a file that does not fit.
    """
    place = stored_path(source.resolve())
    if not source.is_dir():
        return Begun(dataclasses.replace(bundle, changed=unlike(read_weights(source, bundle), bundle)), place)
    folder = RunFolder(source)
    run, state = read_trained(folder)
    if run.settings.bundle_id != bundle.manifest.bundle_id:
        raise TbftError(
            f"the run in '{source}' is of bundle {run.settings.bundle_id[:12]}, and not of "
            f"{bundle.manifest.bundle_id[:12]}",
            "give the bundle that it was trained from: its weights mean nothing in another one",
        )
    own = as_begun(bundle, folder, run, state)
    weights = merged(own.plan(run.settings.plan), load_weights(own), state.best)
    return Begun(dataclasses.replace(own, changed=unlike(weights, own)), place, run, state.after)
