"""The preprocessing that an export writes."""

from __future__ import annotations

from tbft_artifacts.input_shape import square_rgb
from tbft_artifacts.preprocessing import CenterCrop, ExifTranspose, Normalize, Resize, ToRgb
from tbft_runtime.data.preprocessing import Preprocessing


def preprocessing_to(size: int) -> Preprocessing:
    steps = (
        ExifTranspose(),
        ToRgb(),
        Resize(size=size),
        CenterCrop(size=size),
        Normalize(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    )
    return Preprocessing(steps, square_rgb(size))
