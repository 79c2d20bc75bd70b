"""MLPerf Tiny's ResNet-8 and DS-CNN, and a network along time, train as in PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from support import sensor_models
from support.agreement import Hyper, plan_with_optimizer, train_bundle, train_torch
from support.batches import Batch
from support.ten_steps import TOLERANCES, assert_close
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.input_shape import InputShape
from tbft_artifacts.plan import PREDICT
from tbft_export import ExportOptions, export_bundle
from tbft_export.graph.sessions import Session
from tbft_export.sources.one_dimension import give_windows

MODELS: dict[str, dict[str, object]] = {
    "resnet8": {"image_size": 32},
    "ds_cnn": {"patch": (49, 10)},
    "motion": {"window": 32, "channels": 3},
}
HYPER = Hyper(lr=0.01, momentum=0.9, weight_decay=5e-4)


@pytest.mark.parametrize("drift", ["output", "full"])
@pytest.mark.parametrize("name", MODELS)
def test_six_steps(name: str, drift: str, tmp_path: Path) -> None:
    """With the statistics of each batch where everything is trained, and fixed ones for the output."""
    model = f"support.sensor_models:{name}"
    export_bundle(ExportOptions(model, drift, **MODELS[name]), tmp_path / "bundle")  # type: ignore[arg-type]
    bundle = open_bundle(tmp_path / "bundle")
    shape, classes = bundle.manifest.shape, len(bundle.manifest.classes)
    rng = np.random.default_rng(2)
    batches = [
        Batch(rng.standard_normal((4, *shape), np.float32), rng.integers(0, classes, 4).astype(np.int64))
        for _ in range(6)
    ]
    plan = plan_with_optimizer(bundle, "sgd")
    module = getattr(sensor_models, name)()
    give_windows(module, shape)
    found, decisions = train_bundle(bundle, plan, HYPER, batches, None)
    expected, adopted = train_torch(module, plan, HYPER, batches, decisions)
    assert_close(found, expected, adopted, decisions, TOLERANCES["sgd"])


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_file_of_windows_is_an_image_of_one_row(dynamic: bool, tmp_path: Path) -> None:
    """An .onnx file that maps (N, C, L) gives the logits that it gave, and the weights keep their names."""
    path = tmp_path / "motion.onnx"
    module = sensor_models.motion().eval()
    windows = torch.randn(2, 3, 32)
    torch.onnx.export(
        module,
        (windows,),
        str(path),
        dynamo=False,
        input_names=["signal"],
        dynamic_axes={"signal": {0: "n"}} if dynamic else None,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
    )
    manifest = export_bundle(ExportOptions(str(path), "full", window=32), tmp_path / "bundle").manifest
    assert manifest.shape == InputShape(3, 1, 32)
    assert "layer3.0.weight" in [parameter.name for parameter in manifest.plans[0].parameters]
    found = Session(tmp_path / "bundle", PREDICT).run(windows.unsqueeze(2).numpy())
    np.testing.assert_allclose(found, module(windows).detach().numpy(), rtol=1e-4, atol=1e-5)
