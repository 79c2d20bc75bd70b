"""Networks of any input shape are compiled: one, three or six channels, square or not, from modules and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from support.agreement import Hyper, plan_with_optimizer, train_bundle, train_torch
from support.batches import Batch
from support.ten_steps import TOLERANCES, assert_close
from support.tiny_models import shake
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import InputShape
from tbft_artifacts.preprocessing import CenterCrop, CutWindows, Normalize, Resize, Standardize, ToGrey, ToRgb
from tbft_export import ExportOptions, export_bundle
from tbft_export.options import TableOptions

HYPER = Hyper(lr=0.01, momentum=0.9, weight_decay=5e-4)
SHAPES = {"grey": InputShape(1, 8, 8), "wide": InputShape(3, 6, 20), "signal": InputShape(6, 1, 32)}


def network(channels: int, kernel: tuple[int, int]) -> nn.Module:
    """Two convolutions and a head."""
    torch.manual_seed(0)
    padding = kernel[0] // 2, kernel[1] // 2
    return shake(
        nn.Sequential(
            nn.Conv2d(channels, 8, kernel, padding=padding, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, kernel, padding=padding),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(1),
            nn.Linear(8, 4),
        ),
        seed=1,
    )


def grey() -> nn.Module:
    return network(1, (3, 3))


def wide() -> nn.Module:
    return network(3, (3, 3))


def signal() -> nn.Module:
    return network(6, (1, 5))


def options(name: str, **changes: object) -> ExportOptions:
    shape = SHAPES[name]
    given = {"image_size": shape[1:], "channels": shape.channels, "drift": "full", "batch_norm": "batch"} | changes
    return ExportOptions(f"{__name__}:{name}", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SHAPES)
def test_ten_steps_of_every_shape(name: str, tmp_path: Path) -> None:
    """What is compiled trains as PyTorch does."""
    export_bundle(options(name), tmp_path / "bundle")
    bundle = open_bundle(tmp_path / "bundle")
    assert bundle.manifest.shape == SHAPES[name]
    rng = np.random.default_rng(2)
    batches = [
        Batch(rng.standard_normal((4, *SHAPES[name]), np.float32), rng.integers(0, 4, 4).astype(np.int64))
        for _ in range(10)
    ]
    plan = plan_with_optimizer(bundle, "sgd")
    found, decisions = train_bundle(bundle, plan, HYPER, batches, None)
    expected, adopted = train_torch(globals()[name](), plan, HYPER, batches, decisions)
    assert_close(found, expected, adopted, decisions, TOLERANCES["sgd"])


def test_the_preprocessing_makes_the_shape(tmp_path: Path) -> None:
    """Grey or RGB pictures that cover the input; numbers of any other channels are taken as they are."""
    steps = {name: export_bundle(options(name), tmp_path / name).manifest.preprocessing for name in SHAPES}
    assert steps["grey"][1:4] == (ToGrey(), Resize(8), CenterCrop(8))
    assert steps["wide"][1:4] == (ToRgb(), Resize(6, width=20), CenterCrop(6, width=20))
    assert steps["signal"] == (Standardize((0.0,) * 6, (1.0,) * 6),)


def test_one_mean_is_for_all_channels(tmp_path: Path) -> None:
    manifest = export_bundle(options("signal", mean=(2.0,), std=(1, 2, 3, 4, 5, 6)), tmp_path / "bundle").manifest
    assert manifest.normalization == Standardize((2.0,) * 6, (1, 2, 3, 4, 5, 6))
    manifest = export_bundle(options("grey", mean=(0.5,), std=(0.25,)), tmp_path / "grey").manifest
    assert manifest.normalization == Normalize((0.5,), (0.25,))


def test_a_file_says_its_shape_itself(tmp_path: Path) -> None:
    path = tmp_path / "wide.onnx"
    torch.onnx.export(
        wide(),
        (torch.zeros(1, *SHAPES["wide"]),),
        str(path),
        dynamo=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
    )
    assert export_bundle(ExportOptions(str(path), drift="full"), tmp_path / "bundle").manifest.shape == SHAPES["wide"]


@pytest.mark.parametrize(
    ("changes", "said", "hint"),
    [
        ({"image_size": None}, "the image size of .* is not known", "give `image_size`"),
        (
            {"channels": 3},
            "fails in PyTorch itself with images of 8 x 8",
            "check `image_size` (of signals `window` or `patch`) and `channels`, and that",
        ),
        (
            {"image_size": None, "window": 8, "channels": 3},
            "fails in PyTorch itself with images of 1 x 8",
            "(of signals `window`",
        ),
        ({"mean": (0.1, 0.2)}, "`mean` has 2 numbers, and the model takes 1 channels", "one number for each channel"),
        ({"model": "resnet26"}, "model 'resnet26' takes square RGB images", "leave `channels` out"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], said: str, hint: str, tmp_path: Path) -> None:
    """In one line each that says which option."""
    given = {"model": f"{__name__}:grey", "image_size": (8, 8), "channels": 1, "drift": "full"} | changes
    with pytest.raises(TbftError, match=said) as caught:
        export_bundle(ExportOptions(**given), tmp_path / "bundle")  # type: ignore[arg-type]
    assert hint in caught.value.hint


def test_three_channels_of_a_signal_are_no_picture(tmp_path: Path) -> None:
    """An acceleration has three axes, and its window one row; `window` says that they are no colours."""
    changes = {"image_size": None, "window": 20, "channels": 3}
    manifest = export_bundle(options("wide", **changes), tmp_path / "bundle").manifest
    assert manifest.shape == InputShape(3, 1, 20)
    assert manifest.normalization == Standardize((0.0,) * 3, (1.0,) * 3)


def test_one_channel_of_a_patch_is_no_grey_picture(tmp_path: Path) -> None:
    changes = {"image_size": None, "patch": (8, 8), "channels": None}
    manifest = export_bundle(options("grey", **changes), tmp_path / "bundle").manifest
    assert manifest.shape == InputShape(1, 8, 8)
    assert manifest.normalization == Standardize((0.0,), (1.0,))


def test_a_table_is_cut_as_the_export_said(tmp_path: Path) -> None:
    """The device reads columns, stride and rate from the manifest."""
    columns = ("a", "b", "c", "d", "e", "f")
    changes = {"image_size": None, "window": 32, "channels": None}
    table = TableOptions(columns, time="t", label="what", rate=50)
    manifest = export_bundle(options("signal", **changes, table=table), tmp_path / "bundle").manifest
    assert manifest.preprocessing[0] == CutWindows(columns=columns, stride=32, time="t", label="what", rate=50.0)
    assert open_bundle(tmp_path / "bundle").manifest == manifest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"window": None, "image_size": 8}, "whose length was not said"),
        ({"channels": 3}, "2 `columns` are not 3 `channels`"),
        ({"table": TableOptions(("a", "a"))}, "a column twice: 'a'"),
        ({"table": TableOptions(("a", "time"))}, "a column twice: 'time'"),
        ({"table": TableOptions(("a", ""))}, "a column without a name"),
    ],
)
def test_tables_that_make_no_windows_are_refused(changes: dict[str, object], said: str, tmp_path: Path) -> None:
    given = {"window": 32, "table": TableOptions(("a", "b")), "drift": "full"} | changes
    with pytest.raises(TbftError, match=said):
        export_bundle(ExportOptions("none:none", **given), tmp_path / "bundle")  # type: ignore[arg-type]
