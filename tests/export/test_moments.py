"""Moments of the source domain: what a bundle says of the images that its network was trained on."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from support import tiny_models
from support.calibration import ArrayImages, patchworks
from support.settled_models import IMAGE_SIZES
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import MANIFEST, Manifest
from tbft_artifacts.plan import PREDICT
from tbft_artifacts.source import FEATURES, LEAST_VARIANCE, MOMENTS, Source
from tbft_export import ExportOptions, export_bundle
from tbft_export.moments import measure
from tbft_runtime.graphs.sessions import load_graph

CLASSES, SIZE = 4, 8


def images(count: int = 200, size: int = SIZE, classes: int = CLASSES) -> ArrayImages:
    return patchworks(size, classes, count)


def export(out: Path, model: str = "support.tiny_models:tiny_deep", **changes: object) -> Bundle:
    asked = {"model": model, "drift": "output", "image_size": SIZE, "source": images()} | changes
    export_bundle(ExportOptions(**asked), out)  # type: ignore[arg-type]
    return open_bundle(out)


def described(manifest: Manifest) -> Source:
    assert manifest.source
    return manifest.source


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return export(tmp_path_factory.mktemp("moments") / "bundle")


@pytest.fixture(scope="module")
def seen(bundle: Bundle) -> dict[str, np.ndarray]:
    """What the graph of the bundle makes of the source images."""
    graph = load_graph(bundle.path(FEATURES), load_file(bundle.weights), 1)
    return graph.run({graph.inputs[0]: images().values})


def test_the_graph_gives_what_the_last_layer_reads(bundle: Bundle, seen: dict[str, np.ndarray]) -> None:
    head, weights = bundle.manifest.head, load_file(bundle.weights)
    assert head
    assert head.bias is not None
    np.testing.assert_allclose(
        seen["features"] @ weights[head.weight].T + weights[head.bias], seen["logits"], rtol=1e-4, atol=1e-5
    )
    predict = load_graph(bundle.path(PREDICT), weights, 1)
    np.testing.assert_allclose(predict.answer(images().values), seen["logits"], rtol=1e-4, atol=1e-5)


def test_channel_statistics_are_those_of_the_first_norm_of_the_second_stage(
    bundle: Bundle, seen: dict[str, np.ndarray]
) -> None:
    """Against PyTorch, which is asked by a hook what that norm is given."""
    net = tiny_models.tiny_deep().eval()
    name = described(bundle.manifest).norm
    assert name is not None
    given: list[torch.Tensor] = []
    net.get_submodule(name.rpartition(".")[0]).register_forward_pre_hook(lambda _module, args: given.append(args[0]))
    with torch.no_grad():
        net(torch.from_numpy(images().values))
    np.testing.assert_allclose(seen["channel_means"], given[0].mean(dim=(2, 3)), rtol=1e-4, atol=1e-5)
    variances = given[0].var(dim=(2, 3), correction=0)
    np.testing.assert_allclose(seen["channel_variances"], variances, rtol=1e-4, atol=1e-5)
    assert described(bundle.manifest).channels == given[0].shape[1]


def test_moments_are_those_of_the_images(bundle: Bundle, seen: dict[str, np.ndarray]) -> None:
    moments, every = load_file(bundle.path(MOMENTS)), images().labels
    kept = np.isin(seen["features"].astype(np.float16), moments["kept_features"]).all(axis=1)
    assert every[kept].tolist() == moments["kept_labels"].tolist()
    assert np.bincount(every[kept]).tolist() == [
        min(20, int((every == number).sum()) // 3) for number in range(CLASSES)
    ]
    labels, features = every[~kept], seen["features"][~kept].astype(np.float64)
    answers = seen["logits"].argmax(axis=1)
    assert moments["counts"].tolist() == [int((labels == number).sum()) for number in range(CLASSES)]
    means = np.stack([features[labels == number].mean(axis=0) for number in range(CLASSES)])
    np.testing.assert_allclose(moments["means"], means, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(moments["second"], features.T @ features / len(labels), rtol=1e-4, atol=1e-6)
    spread = np.log(seen["channel_variances"].astype(np.float64) + LEAST_VARIANCE)
    channels = np.concatenate([seen["channel_means"], spread], axis=1)
    left = channels.copy()
    for number in range(CLASSES):
        called = answers == number
        assert moments["norm_counts"][number] == called.sum()
        if called.any():
            np.testing.assert_allclose(moments["norm_means"][number], channels[called].mean(axis=0), atol=1e-4)
            left[called] -= channels[called].mean(axis=0)
    np.testing.assert_allclose(moments["norm_covariance"], left.T @ left / len(left), rtol=1e-3, atol=1e-5)
    level, spread = moments["norm_tails"]
    # About as many as there are numbers, and more where single images lie far away.
    assert channels.shape[1] / 2 < level
    assert spread > 0
    source = described(bundle.manifest)
    assert (source.images, source.kept, source.second) == (len(labels), int(kept.sum()), "full")
    assert source.accuracy == pytest.approx((answers == every).mean())


@pytest.mark.long
def test_resnet26_takes_less_than_100_kb(tmp_path: Path) -> None:
    size = IMAGE_SIZES["resnet26"]
    found = export(
        tmp_path / "bundle",
        "support.settled_models:resnet26",
        image_size=size,
        source=images(700, size, 10),
    )
    assert described(found.manifest).kept == 200
    assert sum(found.manifest.files[name].bytes for name in (FEATURES, MOMENTS)) <= 100_000


def test_of_many_features_the_diagonal_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "MOST_FULL", 1)
    found = export(tmp_path / "bundle")
    moments = load_file(found.path(MOMENTS))
    assert described(found.manifest).second == "diagonal"
    assert moments["second"].shape == (moments["means"].shape[1],)


def test_its_graph_does_not_come_before_the_manifest_of_an_archive(tmp_path: Path) -> None:
    export_bundle(
        ExportOptions("support.tiny_models:tiny_deep", "output", image_size=SIZE, source=images()),
        tmp_path / "b.tar.gz",
    )
    with tarfile.open(tmp_path / "b.tar.gz") as archive:
        names = archive.getnames()
    assert FEATURES in names
    assert names[0] == MANIFEST


def test_without_source_nothing_is_said(tmp_path: Path) -> None:
    manifest = export(tmp_path / "bundle", source=None).manifest
    assert not manifest.source
    assert manifest.head
    assert {FEATURES, MOMENTS}.isdisjoint(manifest.files)


class Averaged(nn.Module):
    """Its last layer is a convolution, whose answers are averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 6, 3)
        self.classes = nn.Conv2d(6, CLASSES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answers: torch.Tensor = self.classes(self.features(x).relu()).mean(dim=(2, 3))
        return answers


class Apart(nn.Module):
    """Its last layer is a product and a sum, as written by hand."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Conv2d(3, 6, 3)
        self.product = nn.Parameter(torch.randn(6, CLASSES))
        self.shift = nn.Parameter(torch.randn(CLASSES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shift + self.features(x).relu().mean(dim=(2, 3)) @ self.product


def test_a_last_layer_may_be_written_by_hand(tmp_path: Path) -> None:
    found = export(tmp_path / "bundle", f"{__name__}:Apart")
    head, weights = found.manifest.head, load_file(found.weights)
    assert head
    assert (head.transposed, head.features) == (weights[head.weight].shape == (6, CLASSES), 6)
    assert head.bias == "shift"
    # Of one stage only, no norm is described.
    assert (described(found.manifest).norm, described(found.manifest).channels) == (None, 0)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(TbftError, match="does not end in a linear layer") as caught:
        export(tmp_path / "averaged", f"{__name__}:Averaged")
    assert "`source`" in (caught.value.hint or "")
    few = images()
    few = ArrayImages(few.values[few.labels != 2], few.labels[few.labels != 2])
    with pytest.raises(TbftError, match="class number 2 has 0 labelled images") as caught:
        export(tmp_path / "few", source=few)
    assert not list(tmp_path.iterdir())
