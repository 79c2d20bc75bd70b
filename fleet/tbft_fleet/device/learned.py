"""What a run on the device came to, fit to be told: figures, and the tensors that it changed; nothing of its images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from tbft_artifacts.errors import TbftError
from tbft_fleet.files.result import WEIGHTS, Training
from tbft_runtime.graphs.weights import check_finite, load_weights
from tbft_runtime.reporting.read import read_report
from tbft_runtime.run.trained import open_trained
from tbft_runtime.training.sparse_rows import merged


def learned(run: Path, bundle: Path, bundle_id: str) -> tuple[Training, Mapping[str, bytes]]:
    """Its figures, and the tensors at its end; without labels those of the best state, which its guard let through.

    Accuracies are those of the best state: a few images of a device's own say which epoch suits the device, and little
    of what it is worth to the others.

    Args:
        run: Its folder, as `tbft-edge train` left it.
        bundle: The release that it was trained from, and which runs.
        bundle_id: That of this release.

    Raises TbftError for a run that has not ended, is of another bundle, or learned more classes than that has.
    """
    result = read_report(run).result
    with open_trained(run, bundle, bundle_id) as (found, file, state):
        if found.added_classes:
            raise TbftError(
                f"the run in '{run}' has classes that its release lacks, which no other device could use",
                "release a bundle with these classes, or keep the run on this device",
            )
        plan = found.plan(file.settings.plan)
        # Which rows of a layer a device chose is its own affair: the layer is told whole.
        rows = {name: layer.weight for layer in plan.sparse_layers for name in (layer.rows, layer.channels)}
        ended = state.best if file.settings.labels == "none" else state.current
        weights = merged(plan, load_weights(found), ended)
        tensors = {rows.get(name, name): weights[rows.get(name, name)] for name in ended}
    check_finite(tensors, f"the last state of '{run}'", "train again with a lower `lr`")
    energy = result.energy
    training = Training(
        plan=plan.id,
        images=result.train_images,
        base=None if file.base is None else file.base.sha256,
        accuracy_before=result.accuracy_before,
        accuracy_after=result.accuracy_after,
        joules=energy.joules,
        joules_are_estimated=energy.source is not None and energy.source.type == "estimate",
        seconds=result.train_seconds,
        peak_memory_bytes=result.peak_memory_bytes,
    )
    content = save({name: np.ascontiguousarray(value) for name, value in sorted(tensors.items())})
    return training, {WEIGHTS: content} if tensors else {}
