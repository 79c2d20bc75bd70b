"""Which part of a picture becomes the pixels that a network takes: scaling and cropping, as one step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tbft_artifacts.preprocessing import CenterCrop, PreprocessingStep, Resize, ResizeFilter

Box = tuple[float, float, float, float]
WholeBox = tuple[int, int, int, int]
Size = tuple[int, int]
# A picture so many times as long as what is cut out of it is scaled whole, as ever. Of a longer one only the middle is:
# one of 1 x 65,535 pixels would become 224 x 14,679,840.
ORDINARY = 4
# Larger results than any network takes; only a Resize without a crop behind it can ask for one.
MOST_SCALED = 1 << 26


@dataclass(frozen=True)
class Cut:
    """A scaling to the size that just covers `resize`, then the middle `crop` pixels; None leaves one of them out."""

    resize: Size | None
    filter: ResizeFilter
    crop: Size | None


@dataclass(frozen=True)
class Window:
    """`box` (left, top, right, bottom) of a picture becomes `size` pixels, and `crop` of these is the result.

    Outside of the pixels it is black. Where `scales` is False the box is the whole picture, as it is.
    """

    box: Box
    size: Size
    crop: WholeBox
    scales: bool


def cuts(steps: Sequence[PreprocessingStep]) -> Iterator[Cut]:
    """The scalings and crops among the steps, each crop together with the scaling before it."""
    waiting: Resize | None = None
    for step in steps:
        match step:
            case Resize():
                if waiting is not None:
                    yield Cut(_across(waiting), waiting.filter, None)
                waiting = step
            case CenterCrop() if waiting is not None:
                yield Cut(_across(waiting), waiting.filter, _across(step))
                waiting = None
            case CenterCrop():
                yield Cut(None, "nearest", _across(step))
    if waiting is not None:
        yield Cut(_across(waiting), waiting.filter, None)


def window(picture: Size, cut: Cut) -> Window:
    """What a cut makes of a picture of that size. Raises ValueError for a result larger than any network takes."""
    whole = _scaled(picture, cut.resize)
    crop = (0, 0, *whole) if cut.crop is None else _middle(whole, cut.crop)
    part = (0, 0, *whole)
    if cut.crop is not None and max(whole) > ORDINARY * max(cut.crop):
        part = (max(0, crop[0]), max(0, crop[1]), min(whole[0], crop[2]), min(whole[1], crop[3]))
    size = part[2] - part[0], part[3] - part[1]
    if whole == picture:
        return Window((0, 0, *picture), whole, crop, scales=False)
    if size[0] * size[1] > MOST_SCALED:
        raise ValueError(f"it would be scaled to {size[0]:,} × {size[1]:,} pixels")
    across, down = picture[0] / whole[0], picture[1] / whole[1]
    return Window(
        box=(part[0] * across, part[1] * down, part[2] * across, part[3] * down),
        size=size,
        crop=(crop[0] - part[0], crop[1] - part[1], crop[2] - part[0], crop[3] - part[1]),
        scales=True,
    )


def _across(step: Resize | CenterCrop) -> Size:
    """Width and height, in Pillow's order."""
    height, width = step.sides
    return width, height


def _scaled(picture: Size, covered: Size | None) -> Size:
    """The size with the same ratio of sides, nearly, that is as wide or as high as `covered`, and no smaller."""
    if covered is None:
        return picture
    # The side that has to grow most decides.
    tight = 0 if covered[0] * picture[1] >= covered[1] * picture[0] else 1
    width, height = (
        max(least, round(side * covered[tight] / picture[tight])) for side, least in zip(picture, covered, strict=True)
    )
    return width, height


def _middle(size: Size, part: Size) -> WholeBox:
    left, top = (size[0] - part[0]) // 2, (size[1] - part[1]) // 2
    return left, top, left + part[0], top + part[1]
