"""A safetensors file of which each tensor is read where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from tbft_artifacts.errors import TbftError
from tbft_artifacts.tensor_ranges import tensor_ranges

_DTYPES: Mapping[str, np.dtype] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I64": np.dtype("<i8")}


@dataclass(frozen=True, slots=True)
class _Place:
    begin: int
    dtype: np.dtype
    shape: tuple[int, ...]


class TensorFile(Mapping[str, np.ndarray]):
    """The tensors of the file at `path`, which nobody changes meanwhile.

    Of a thousand devices neither all tensors fit into memory nor may all files be open: each look maps the file anew,
    and what is read of it goes as soon as nobody holds the tensor.

    Raises TbftError for what is no such file, or holds tensors of types that none trains.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._places = path, dict[str, _Place]()
        try:
            with safe_open(path, "numpy") as found:
                slices = {name: found.get_slice(name) for name in found.keys()}  # noqa: SIM118 (it is no mapping)
                described = {name: (each.get_dtype(), tuple(each.get_shape())) for name, each in slices.items()}
            with path.open("rb") as file:
                ranges = tensor_ranges(file)
            for name, (dtype, shape) in described.items():
                self._places[name] = _Place(ranges[name][0], _DTYPES[dtype], shape)
        except (OSError, SafetensorError, UnicodeError, KeyError, ValueError) as error:
            raise TbftError(f"'{path}' is no safetensors file that can be read: {error}", "collect it again") from error

    def __getitem__(self, name: str) -> np.ndarray:
        place = self._places[name]
        if 0 in place.shape:
            return np.empty(place.shape, place.dtype)
        return np.memmap(self._path, place.dtype, "r", place.begin, place.shape)

    def span(self, name: str, span: slice) -> np.ndarray:
        """Some values of a tensor, counted in its order in memory: (n,). A map for so few would take longer."""
        place, count = self._places[name], span.stop - span.start
        return np.fromfile(self._path, place.dtype, count, offset=place.begin + span.start * place.dtype.itemsize)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def span_of(tensors: Mapping[str, np.ndarray], name: str, span: slice) -> np.ndarray:
    """Some values of a tensor, counted in its order in memory, of a file or of arrays that are there: (n,)."""
    return tensors.span(name, span) if isinstance(tensors, TensorFile) else tensors[name].ravel()[span]
