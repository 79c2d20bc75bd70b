"""What a device tells of a run is what the host takes: whatever a plan trains, as far as others can use it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from support.agents import packed
from support.bundles import ALL_DRIFTS, SPARSE, compiled, read_manifest
from support.runs import fine_tune, state_of
from support.toys import coloured_squares, save_folders
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.learned import learned
from tbft_fleet.files.result import WEIGHTS
from tbft_fleet.host.trainable import check_weights, trainable
from tbft_runtime import LearnOptions, learn

RUNS = {
    "parameters": ("output-frozen", 1),
    "statistics alone": ("feature-adapt", 0),
    "both": ("feature-batch", 1),
    "after adapting": ("feature-adapt", 1),
    "behind an int8 prefix": ("feature-int8", 1),
    "chosen channels": (SPARSE, 1),
}


@pytest.mark.parametrize(("bundle", "epochs"), RUNS.values(), ids=RUNS)
def test_the_host_takes_what_a_device_learned(bundle: str, epochs: int, squares: Path, tmp_path: Path) -> None:
    """Parameters, statistics that moved, and whole layers of which a device chose some channels."""
    run, folder = tmp_path / "run", compiled(bundle)
    result = fine_tune(bundle, squares, run, epochs=epochs)
    bundle_id = read_manifest(folder).bundle_id
    training, files = learned(run, folder, bundle_id)
    assert (training.plan, training.images) == (result.plan, result.train_images)
    check_weights(files[WEIGHTS], training.plan, trainable(packed(bundle, tmp_path / "bundle.tar.gz"), bundle_id))
    told, ended = load(files[WEIGHTS]), state_of(run).current
    assert [name for name in ended.keys() & told.keys() if not np.array_equal(told[name], ended[name])] == []
    assert not [name for name in told if name.endswith((".rows", ".channels"))]


def test_classes_that_others_lack_stay_on_the_device(tmp_path: Path) -> None:
    """Said there, and not only when the host refuses the shape."""
    folder, run = compiled(ALL_DRIFTS), tmp_path / "run"
    images, _ = coloured_squares(10)
    foxes = save_folders(tmp_path / "foxes", images, [0] * 10, ["fox"])
    learn(folder, LearnOptions(foxes, run, add_classes=("fox",), threads=1))
    with pytest.raises(TbftError, match="classes that its release lacks"):
        learned(run, folder, read_manifest(folder).bundle_id)
