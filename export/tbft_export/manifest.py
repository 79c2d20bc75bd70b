"""What a bundle says of the model, before its plans are made: classes, preprocessing, batch norms, producers."""

from __future__ import annotations

from importlib.metadata import version

from msgspec import UNSET

from tbft_artifacts.check_names import check_folder_names, class_faults
from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import GREY, RGB, as_said
from tbft_artifacts.manifest import FORMAT, Manifest
from tbft_artifacts.preprocessing import (
    CenterCrop,
    CutWindows,
    ExifTranspose,
    Normalize,
    PreprocessingStep,
    Resize,
    Sound,
    Standardize,
    ToGrey,
    ToRgb,
    width_beside,
)
from tbft_export.compile.statistics import batch_norms
from tbft_export.graph.linear_head import last_layer
from tbft_export.options import ExportOptions
from tbft_export.sources.built_in import BUILT_IN
from tbft_export.sources.load import TrainedModel

MINIMUM_RUNTIME = "0.1.0"
_PRODUCERS = ("tbft-edge", "torch", "onnx", "onnx-ir", "onnxruntime-training-cpu")
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
# Samples of 16 bits, as numbers from -1 to 1.
_SAMPLES = Standardize((0.0,), (32768.0,))
# Of grey pictures: 0.299 red + 0.587 green + 0.114 blue of the means; channels that go together vary as one.
_IMAGENET_GREY_MEAN, _IMAGENET_GREY_STD = (0.459,), (0.226,)


def describe(options: ExportOptions, trained: TrainedModel) -> Manifest:
    """The manifest without blocks, plans and files.

    Raises TbftError for class names that do not fit the model, or that no folder of pictures could have.
    """
    image_size, input_shape = as_said(trained.shape)
    last = last_layer(trained.forward)
    return Manifest(
        format=FORMAT,
        minimum_runtime=MINIMUM_RUNTIME,
        model=trained.name,
        classes=_class_names(options, trained),
        image_size=image_size,
        input_shape=input_shape,
        fresh=trained.fresh or UNSET,
        preprocessing=_preprocessing(options, trained),
        batch_norms=batch_norms(trained.forward.graph),
        blocks=(),
        plans=(),
        producers={name: version(name) for name in _PRODUCERS},
        files={},
        head=UNSET if last is None else last.head,
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
    check_folder_names(options.classes)
    for fault in class_faults(options.classes):
        raise TbftError(f"the model would have {fault}", "rename the class")
    return options.classes


def _preprocessing(options: ExportOptions, trained: TrainedModel) -> tuple[PreprocessingStep, ...]:
    channels, height, width = trained.shape
    for name, values in (("mean", options.mean), ("std", options.std)):
        if values is not None and len(values) not in (1, channels):
            raise TbftError(
                f"`{name}` has {len(values)} numbers, and the model takes {channels} channels",
                "give one number for each channel, or one for all",
            )
    if trained.card is not None:
        # As it was fed when it was trained; what is given wins.
        *before, last = trained.card.preprocessing
        given = _reading(options) if isinstance(last, Standardize) else ()
        return tuple(_normalize(step, options, channels) for step in (*(given or before), last))
    if options.given_shape.is_signal or channels not in (GREY, RGB) or height == 1:
        usual = Standardize((0.0,) * channels, (1.0,) * channels) if options.sound is None else _SAMPLES
        return (*_reading(options), _normalize(usual, options, channels))
    beside, framing = width_beside(height, width), trained.framing
    return (
        ExifTranspose(),
        ToRgb() if channels == RGB else ToGrey(),
        Resize(framing.resized(height), framing.filter, width_beside(*map(framing.resized, (height, width)))),
        CenterCrop(size=height, width=beside),
        _normalize(_usual(trained), options, channels),
    )


def _reading(options: ExportOptions) -> tuple[PreprocessingStep, ...]:
    """How a signal is read, if that was said: a recording, or windows of a table."""
    if options.sound is not None:
        return (Sound(rate=options.sound.rate),)
    table = options.table
    if table is None or options.window is None:
        return ()
    stride = options.window if table.stride is None else table.stride
    rate = UNSET if table.rate is None else float(table.rate)
    return (CutWindows(columns=table.columns, stride=stride, time=table.time, label=table.label, rate=rate),)


def _usual(trained: TrainedModel) -> Normalize:
    """What a built-in network was trained with, or its graph shows; ImageNet's otherwise, whose greys are luminance."""
    if trained.normalize is not None:
        return trained.normalize
    built_in = BUILT_IN.get(trained.name)
    if built_in is not None:
        return Normalize((built_in.mean,) * RGB, (built_in.std,) * RGB)
    if trained.shape.channels == RGB:
        return Normalize(_IMAGENET_MEAN, _IMAGENET_STD)
    return Normalize(_IMAGENET_GREY_MEAN, _IMAGENET_GREY_STD)


def _normalize(step: PreprocessingStep, options: ExportOptions, channels: int) -> PreprocessingStep:
    if not isinstance(step, Normalize | Standardize):
        return step
    mean, std = _each(options.mean, channels) or step.mean, _each(options.std, channels) or step.std
    return type(step)(mean=mean, std=std)


def _each(values: tuple[float, ...] | None, channels: int) -> tuple[float, ...] | None:
    """A number for each channel; one alone is for all."""
    if values is None:
        return None
    numbers = tuple(map(float, values))
    return numbers * channels if len(numbers) == 1 else numbers
