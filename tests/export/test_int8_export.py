"""`--prefix int8` ships a prefix that is about as accurate as the float32 one, or nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from support import settled_models, tiny_models
from support.calibration import ArrayImages, badly_calibrated, clear_images
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_export import Exported, ExportOptions, export_bundle

COUNT = 150


@pytest.fixture(scope="module")
def tiny_images() -> ArrayImages:
    return clear_images(tiny_models.tiny(), 8, 4, COUNT)


@pytest.fixture(scope="module")
def images() -> ArrayImages:
    return clear_images(settled_models.bottleneck_net(), 64, 5, COUNT)


def tiny_options(images: ArrayImages | None, **changes: object) -> ExportOptions:
    return ExportOptions(**{  # type: ignore[arg-type]
        "model": "support.tiny_models:tiny", "drift": "feature", "image_size": 8, "prefix": "int8",
        "calibration": images, **changes,
    })  # fmt: skip


def options(images: ArrayImages, **changes: object) -> ExportOptions:
    """The head of a network whose answers depend on its calibration."""
    return tiny_options(
        images, **{"model": "support.settled_models:bottleneck_net", "drift": "output", "image_size": 64, **changes}
    )


@pytest.fixture(scope="module")
def exported(images: ArrayImages, tmp_path_factory: pytest.TempPathFactory) -> tuple[Exported, Path]:
    out = tmp_path_factory.mktemp("int8") / "bundle"
    return export_bundle(options(images), out), out


def refusal(options: ExportOptions, folder: Path) -> TbftError:
    """The error of the export, which leaves nothing behind."""
    with pytest.raises(TbftError) as caught:
        export_bundle(options, folder / "bundle")
    assert list(folder.iterdir()) == []
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def test_the_bundle_says_what_int8_costs(exported: tuple[Exported, Path]) -> None:
    """Accuracies on images that did not calibrate; the labels are the float32 network's own answers."""
    (plan,) = open_bundle(exported[1]).manifest.plans
    assert plan == exported[0].manifest.plans[0]
    assert plan.int8 is not None
    assert (plan.int8.calibration_images, plan.int8.measured_images) == (50, 100)
    assert plan.int8.accuracy_float32 == 1
    assert plan.int8.accuracy_int8 >= 0.99
    assert 0 < plan.int8.boundary_error < 0.1


def test_the_suffix_was_checked_against_pytorch(exported: tuple[Exported, Path]) -> None:
    """As in every export: with the prefix in float32, so that quantising it hides no wrong gradient."""
    assert exported[0].checks[0].passed
    assert exported[0].checks[0].formulas.error < 1e-9


def test_weights_of_the_suffix_stay_where_they_are(exported: tuple[Exported, Path]) -> None:
    """The whole model with the int8 prefix takes what may be trained from the one weights file."""
    plan = exported[0].manifest.plans[0]
    whole = onnx.load(exported[1] / plan.predict, load_external_data=False)
    external = {tensor.name for tensor in whole.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL}
    assert external == {"fc.weight", "fc.bias"}
    prefix = onnx.load(exported[1] / plan.prefix, load_external_data=False)
    assert all(tensor.data_location != onnx.TensorProto.EXTERNAL for tensor in prefix.graph.initializer)


def test_equal_inputs_give_equal_bundles(exported: tuple[Exported, Path], images: ArrayImages, tmp_path: Path) -> None:
    """Calibration and split hold no chance; and an archive holds what a folder holds, with nothing beside it."""
    again = export_bundle(options(images), tmp_path / "bundle.tar.gz")
    assert again.manifest.bundle_id == exported[0].manifest.bundle_id
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.tar.gz"]


def test_other_images_give_another_bundle(exported: tuple[Exported, Path], images: ArrayImages, tmp_path: Path) -> None:
    """The ranges of the activations come from them."""
    darker = ArrayImages(0.9 * images.values, images.labels)
    other = export_bundle(options(darker, allow_accuracy_loss=True), tmp_path / "bundle")
    assert other.manifest.bundle_id != exported[0].manifest.bundle_id


def test_a_loss_of_more_than_a_point_is_refused(images: ArrayImages, tmp_path: Path) -> None:
    """Calibrated with black images, it clips everything else."""
    error = refusal(options(badly_calibrated(images)), tmp_path)
    assert "points of accuracy: 100.0% in float32" in error.message
    assert "`allow_accuracy_loss`" in error.hint


def test_a_loss_can_be_allowed(images: ArrayImages, tmp_path: Path) -> None:
    """The bundle then says what it cost."""
    exported = export_bundle(options(badly_calibrated(images), allow_accuracy_loss=True), tmp_path / "bundle")
    found = exported.manifest.plans[0].int8
    assert found is not None
    assert found.accuracy_int8 < found.accuracy_float32 - 0.01
    assert found.boundary_error > 0.25


def test_all_drifts_have_an_int8_prefix_where_one_is_frozen(tmp_path: Path) -> None:
    """Feature and output; training for the others begins at the input. The whole model in float32 stays there."""
    images = clear_images(tiny_models.tiny_deep(), 8, 4, COUNT)
    export_bundle(tiny_options(images, model="support.tiny_models:tiny_deep", drift="all"), tmp_path / "bundle")
    bundle = open_bundle(tmp_path / "bundle")
    ids = ["feature-layer2-block-sgd-int8", "feature-block-sgd-int8", "output-frozen-sgd-int8"]
    plans = bundle.manifest.plans
    assert [plan.id for plan in plans] == ["input-batch-sgd", *ids, "full-batch-sgd"]
    assert [plan.id for plan in plans if plan.int8 is not None] == ids
    assert len({bundle.path(plan.predict).read_bytes() for plan in plans}) == 1 + len(ids)


def test_few_images_are_refused_unless_allowed(tiny_images: ArrayImages, tmp_path: Path) -> None:
    few = ArrayImages(tiny_images.values[:60], tiny_images.labels[:60])
    assert "40 images are too few to see a loss of one point" in refusal(tiny_options(few), tmp_path).message
    plan = export_bundle(tiny_options(few, allow_accuracy_loss=True), tmp_path / "bundle").manifest.plans[0]
    assert plan.int8 is not None
    assert plan.int8.measured_images == 40


def test_no_labelled_image(tmp_path: Path) -> None:
    nothing = ArrayImages(np.zeros((0, 3, 8, 8), np.float32), np.zeros(0, np.int64))
    assert "0 labelled images are too few" in refusal(tiny_options(nothing), tmp_path).message


@pytest.mark.parametrize(
    ("changes", "said", "hint"),
    [
        (
            {"batch_norm": "adapt"},
            "fixed batch-norm statistics, which `batch_norm` adapt would move",
            "`batch_norm` frozen",
        ),
        (
            {"batch_norm": "batch"},
            "fixed batch-norm statistics, which `batch_norm` batch would move",
            "`batch_norm` frozen",
        ),
        ({"drift": "input", "batch_norm": "frozen"}, "no frozen prefix", "`drift` feature"),
        ({"drift": "full"}, "no frozen prefix", "`drift` feature"),
        (
            {"drift": "all", "batch_norm": "adapt"},
            "plan feature-adapt-sgd-int8: an int8 prefix has",
            "`batch_norm` frozen",
        ),
        ({"blocks": ("conv1", "fc")}, "no frozen prefix", "`blocks`"),
        ({"drift": "input", "blocks": ("layer2",)}, "`batch_norm` batch would move", "`batch_norm` frozen"),
        ({"calibration": None}, "an int8 prefix needs images to calibrate with", "`calibration`"),
        ({"prefix": "float32"}, "which was not asked for", "`prefix` int8"),
        ({"prefix": "float32", "calibration": None, "allow_accuracy_loss": True}, "not asked for", "`prefix` int8"),
    ],
)
def test_what_has_no_int8_prefix(
    changes: dict[str, object], said: str, hint: str, tiny_images: ArrayImages, tmp_path: Path
) -> None:
    """Statistics that move, no frozen part, no images; each with a way out."""
    error = refusal(tiny_options(tiny_images, **changes), tmp_path)
    assert said in error.message
    assert hint in error.hint
