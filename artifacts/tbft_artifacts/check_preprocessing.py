"""Whether a device can prepare pictures by the steps that a bundle or a model names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tbft_artifacts.preprocessing import CenterCrop, ExifTranspose, Normalize, PreprocessingStep, Resize, ToRgb

# As they follow each other: a step may be missing unless it is in `_NEEDED`.
_ORDER = (ExifTranspose, ToRgb, Resize, CenterCrop, Normalize)
_NEEDED = {ToRgb: "rgb", CenterCrop: "center_crop", Normalize: "normalize"}


def preprocessing_faults(steps: Sequence[PreprocessingStep], image_size: int) -> Iterator[str]:
    """What keeps `steps` from making images of `image_size` pixels a side of any picture, in words behind "has"."""
    order = [_ORDER.index(type(step)) for step in steps]
    if order != sorted(set(order)):
        yield "steps of preprocessing twice, or in an order in which pictures cannot be prepared"
        return
    for kind, name in _NEEDED.items():
        if not any(isinstance(step, kind) for step in steps):
            yield f"no step of preprocessing '{name}'"
    sizes = [step.size for step in steps if isinstance(step, CenterCrop)]
    if any(size != image_size for size in sizes):
        yield f"images cropped to {sizes[0]} pixels, where the network takes {image_size}"
    if any(isinstance(step, Resize) and step.size < image_size for step in steps):
        yield f"images scaled to fewer pixels than the {image_size} that are cut out"
