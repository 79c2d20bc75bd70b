"""What a bundle says of the model, before its plans are made: classes, preprocessing, batch norms, producers."""

from __future__ import annotations

from importlib.metadata import version

from tbft_artifacts.check_names import class_faults
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import FORMAT, Manifest
from tbft_artifacts.preprocessing import CenterCrop, ExifTranspose, Normalize, PreprocessingStep, Resize, ToRgb
from tbft_export.compile.statistics import batch_norms
from tbft_export.options import ExportOptions
from tbft_export.sources.built_in import BUILT_IN
from tbft_export.sources.load import TrainedModel

MINIMUM_RUNTIME = "0.1.0"
_PRODUCERS = ("tbft-edge", "torch", "onnx", "onnx-ir", "onnxruntime-training-cpu")
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


def describe(options: ExportOptions, trained: TrainedModel) -> Manifest:
    """The manifest without blocks, plans and files.

    Raises TbftError for class names that do not fit the model, or that no folder of pictures could have.
    """
    return Manifest(
        format=FORMAT,
        minimum_runtime=MINIMUM_RUNTIME,
        model=trained.name,
        classes=_class_names(options, trained),
        image_size=trained.image_size,
        preprocessing=_preprocessing(options, trained),
        batch_norms=batch_norms(trained.forward.graph),
        blocks=(),
        plans=(),
        producers={name: version(name) for name in _PRODUCERS},
        files={},
    )


def _class_names(options: ExportOptions, trained: TrainedModel) -> tuple[str, ...]:
    if not options.classes and trained.card is not None and len(trained.card.classes) == trained.classes:
        return trained.card.classes
    if not options.classes:
        return tuple(str(index) for index in range(trained.classes))
    if len(options.classes) != trained.classes or len(set(options.classes)) != len(options.classes):
        raise TbftError(
            f"{len(options.classes)} class names were given ({len(set(options.classes))} different), "
            f"but the model has {trained.classes} classes",
            "give one different name per class, in the order of the model's outputs, with `classes`; for other "
            "classes than the model was trained for add `new_head`",
        )
    for name in options.classes:
        # On a device each class is a folder, and one of these means no label.
        if not name or name == "unlabelled" or name.startswith(".") or "/" in name or "\0" in name:
            raise TbftError(f"'{name}' cannot be a class: it is no name for a folder of pictures", "rename the class")
    for fault in class_faults(options.classes):
        raise TbftError(f"the model would have {fault}", "rename the class")
    return options.classes


def _preprocessing(options: ExportOptions, trained: TrainedModel) -> tuple[PreprocessingStep, ...]:
    built_in = BUILT_IN.get(trained.name)
    mean = _IMAGENET_MEAN if built_in is None else (built_in.mean,) * 3
    std = _IMAGENET_STD if built_in is None else (built_in.std,) * 3
    if trained.card is not None:
        # As it was fed when it was trained; a mean or std that is given wins.
        return tuple(_normalize(step, options) for step in trained.card.preprocessing)
    shown = trained.normalize or Normalize(mean=mean, std=std)
    return (
        ExifTranspose(),
        ToRgb(),
        Resize(size=trained.image_size),
        CenterCrop(size=trained.image_size),
        _normalize(shown, options),
    )


def _normalize(step: PreprocessingStep, options: ExportOptions) -> PreprocessingStep:
    if not isinstance(step, Normalize):
        return step
    return Normalize(mean=options.mean or step.mean, std=options.std or step.std)
