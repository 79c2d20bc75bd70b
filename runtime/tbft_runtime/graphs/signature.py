"""What a graph takes and gives, checked once when it is loaded, and what it gives once more when it has run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

FLOAT, INT64 = "tensor(float)", "tensor(int64)"
_NUMPY = {FLOAT: np.float32, INT64: np.int64}
# The first axis of what there is one of for each image; None stands for an axis of any length.
IMAGES = -1
# For the only input or output of a graph, whatever its name is.
ANY = ""


@dataclass(frozen=True)
class Value:
    """A tensor of a type, as ONNX Runtime calls it, and its shape; None for any shape."""

    type: str
    shape: tuple[int | None, ...] | None

    def fits(self, type_: str, shape: list[int | str | None]) -> bool:
        """Whether a graph may say so of it. One that does not say its rank, or that of a scalar, says nothing."""
        if type_ != self.type:
            return False
        if self.shape is None or not shape:
            return True
        return len(shape) == len(self.shape) and all(
            not isinstance(said, int) or said in (wanted, -1) or wanted in (None, IMAGES)
            for said, wanted in zip(shape, self.shape, strict=True)
        )

    def is_shape(self, shape: tuple[int, ...], images: int) -> bool:
        """Whether a result for so many images has its shape."""
        if self.shape is None:
            return True
        sides = tuple(images if side == IMAGES else side for side in self.shape)
        return len(shape) == len(sides) and all(
            side in (None, length) for side, length in zip(sides, shape, strict=True)
        )

    def __str__(self) -> str:
        name = np.dtype(_NUMPY[self.type]).name
        if self.shape is None:
            return name
        sides = ("N" if side == IMAGES else "any" if side is None else str(side) for side in self.shape)
        return f"{name} ({', '.join(sides)})"


# What a graph says of a value: its name, its type and its shape, which may have open axes.
Said = tuple[str, str, list[int | str | None]]


@dataclass(frozen=True)
class Signature:
    """The inputs of a graph, and its outputs, of which the `optional` ones may be missing; all of them."""

    inputs: Mapping[str, Value]
    outputs: Mapping[str, Value]
    optional: Mapping[str, Value] = field(default_factory=dict)

    def faults(self, inputs: list[Said], outputs: list[Said]) -> Iterator[str]:
        """What is wrong with a graph that says it takes and gives these."""
        yield from _faults("takes", self.inputs, inputs)
        yield from _faults("gives", self.outputs, [each for each in outputs if each[0] not in self.optional])
        there = [each for each in outputs if each[0] in self.optional]
        yield from _faults("gives", {each[0]: self.optional[each[0]] for each in there}, there)

    def result_faults(self, results: Mapping[str, np.ndarray], images: int) -> Iterator[str]:
        """What is wrong with the `results` for so many images."""
        there = {name: value for name, value in self.optional.items() if name in results}
        for name, wanted in (*self.outputs.items(), *there.items()):
            found = next(iter(results.values())) if name == ANY else results[name]
            if found.dtype != _NUMPY[wanted.type] or not wanted.is_shape(found.shape, images):
                yield f"gives {_name(name)}{found.dtype} {found.shape}, not {wanted}"


def _faults(verb: str, wanted: Mapping[str, Value], said: list[Said]) -> Iterator[str]:
    known = {ANY: said[0]} if ANY in wanted and len(said) == 1 else {each[0]: each for each in said}
    for name, value in wanted.items():
        if name not in known:
            yield f"{verb} {len(said)} values, not one" if name == ANY else f"{verb} no '{name}'"
        elif not value.fits(*known[name][1:]):
            _, type_, shape = known[name]
            yield f"{verb} {_name(name)}{type_} {shape}, not {value}"
    for name in known.keys() - wanted.keys():
        yield f"{verb} '{name}', which nobody knows"


def _name(name: str) -> str:
    return f"'{name}' as " if name else ""
