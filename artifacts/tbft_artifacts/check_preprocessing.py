"""Whether a device can prepare pictures or signals by the steps that a bundle or a model names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tbft_artifacts.check_names import name_faults
from tbft_artifacts.input_shape import GREY, MOST_VALUES, RGB, InputShape
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
)

# As they follow each other: a step may be missing unless it is needed.
_OF_PICTURES = (ExifTranspose, ToRgb, ToGrey, Resize, CenterCrop, Normalize)
_COLOURS = {RGB: (ToRgb, "rgb"), GREY: (ToGrey, "grey")}


def preprocessing_faults(steps: Sequence[PreprocessingStep], shape: InputShape) -> Iterator[str]:
    """What keeps `steps` from making the input of a network of what it is given, in words behind "has"."""
    if shape.values > MOST_VALUES:
        yield f"an input of {shape.values:,} numbers, more than {MOST_VALUES:,}"
        return
    if any(isinstance(step, Standardize) for step in steps):
        yield from _faults_of_signals(steps, shape)
    else:
        yield from _faults_of_pictures(steps, shape)


def _faults_of_signals(steps: Sequence[PreprocessingStep], shape: InputShape) -> Iterator[str]:
    *before, last = steps
    reads = all(isinstance(step, CutWindows | Sound) for step in before)
    if not isinstance(last, Standardize) or len(before) > 1 or not reads:
        yield "steps of preprocessing of a signal beside 'windows' or 'sound' and, behind it, 'standardize'"
        return
    yield from _faults_of_channels(last, shape)
    for step in before:
        if isinstance(step, CutWindows):
            yield from _faults_of_columns(step, shape)
        elif shape[:2] != (1, 1):
            yield f"sound, where the network takes {shape.words}"


def _faults_of_columns(step: CutWindows, shape: InputShape) -> Iterator[str]:
    if (len(step.columns), 1) != shape[:2]:
        yield f"{len(step.columns)} columns, where the network takes {shape.words}"
    yield from name_faults("a column", [*step.columns, step.time])
    yield from name_faults("a label's column", [step.label])


def _faults_of_pictures(steps: Sequence[PreprocessingStep], shape: InputShape) -> Iterator[str]:
    order = [_OF_PICTURES.index(type(step)) for step in steps]
    if order != sorted(set(order)):
        yield "steps of preprocessing twice, or in an order in which pictures cannot be prepared"
        return
    if shape.channels not in _COLOURS:
        yield f"pictures of {shape.channels} channels, which have {GREY} or {RGB}"
        return
    needed = dict((_COLOURS[shape.channels], (CenterCrop, "center_crop"), (Normalize, "normalize")))
    for kind, name in needed.items():
        if not any(isinstance(step, kind) for step in steps):
            yield f"no step of preprocessing '{name}'"
    if sum(isinstance(step, ToRgb | ToGrey) for step in steps) > 1:
        yield "steps of preprocessing to colours and to grey"
    for step in steps:
        if isinstance(step, CenterCrop) and step.sides != (shape.height, shape.width):
            yield f"images cropped to {_pixels(step.sides)}, where the network takes {_pixels(shape[1:])}"
        if isinstance(step, Resize) and (step.sides[0] < shape.height or step.sides[1] < shape.width):
            yield f"images scaled to fewer pixels than the {_pixels(shape[1:])} that are cut out"
        if isinstance(step, Normalize):
            yield from _faults_of_channels(step, shape)


def _faults_of_channels(step: Normalize | Standardize, shape: InputShape) -> Iterator[str]:
    for what, values in (("mean", step.mean), ("std", step.std)):
        if len(values) != shape.channels:
            yield f"a {what} of {len(values)} channels, where the network takes {shape.channels}"


def _pixels(sides: tuple[int, ...]) -> str:
    """Height and width in words; the side alone where they are equal."""
    height, width = sides
    return f"{height} pixels" if height == width else f"{height} × {width} pixels"
