"""What one device gives to a merge, and whether it can be that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm
from tbft_runtime.run.base import check_tensor, some_of

_LEAVE_OUT = "leave it out, and see what that device does"


@dataclass(frozen=True)
class Part:
    """Tensors as `device` trained them on so many `images`, and the `base` that it began with, by name.

    `age` is how many rounds ago that base was the newest. Both mappings may read a tensor where it is asked for.
    """

    device: str
    tensors: Mapping[str, np.ndarray]
    base: Mapping[str, np.ndarray]
    images: int
    age: int = 0

    def moved(self, name: str) -> np.ndarray:
        """By how much a tensor is another one than in the base, float64."""
        difference: np.ndarray = self.tensors[name].astype(np.float64) - self.base[name]
        return difference


def check_parts(parts: Sequence[Part], names: Iterable[str], norms: Sequence[BatchNorm]) -> None:
    """Raises TbftError, in a line that names the device, for a part that has other tensors than `names`.

    Also for other shapes or types than in its base, values that are no finite numbers, variances of `norms` below 0,
    and for one that was trained on no image. `names` are those of the plan.
    """
    expected = set(names)
    for part in parts:
        for fault in _faults(part, expected, {norm.variance for norm in norms}):
            raise TbftError(f"'{part.device}' cannot be merged: it has {fault}", _LEAVE_OUT)


def _faults(part: Part, expected: set[str], variances: set[str]) -> Iterator[str]:
    if part.tensors.keys() != expected:
        yield f"other tensors than the plan trains: {some_of(sorted(part.tensors.keys() ^ expected))}"
        return
    for name in sorted(expected):
        value = part.tensors[name]
        fault = check_tensor(name, value, part.base[name])
        if fault is not None:
            yield fault
        elif not np.isfinite(value).all():
            yield f"'{name}' with values that are infinite or no number"
        elif name in variances and value.min(initial=0) < 0:
            yield f"variances below 0 in '{name}'"
    if part.images < 1:
        yield f"{part.images} images to have learned from"
