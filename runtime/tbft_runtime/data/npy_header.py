"""What an array in an `.npz` says it is, before any of it is read."""

from __future__ import annotations

import io
import math
import struct
import warnings
import zipfile
from dataclasses import dataclass
from typing import IO

import numpy as np

# numpy writes some hundred bytes; a version 2 header may say that it has gigabytes.
_MOST_HEADER = 64 << 10
_MAGIC = 8
_SIZES = {1: "<H", 2: "<I", 3: "<I"}
# Others need dictionaries of any size while they are unpacked, and numpy writes none of them.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Header:
    """Type, shape and order of an array, whose file has just as many bytes as that takes."""

    dtype: np.dtype
    shape: tuple[int, ...]
    fortran: bool

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"

    @property
    def bytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)


def check_entry(entry: zipfile.ZipInfo) -> None:
    """Raises ValueError for a file that is packed in a way which numpy never uses."""
    if entry.flag_bits & 1:
        raise ValueError(f"{entry.filename} is encrypted")
    if entry.compress_type not in _COMPRESSIONS:
        raise ValueError(f"{entry.filename} is packed by a method that numpy does not use")


def read_header(file: IO[bytes], size: int) -> Header:
    """The header of an array whose file has `size` bytes; `file` is at the first element then.

    Raises ValueError for what is no array of numbers or text, or has another size than it says.
    """
    start = file.read(_MAGIC)
    kind = _SIZES.get(start[6]) if start[:6] == b"\x93NUMPY" and len(start) == _MAGIC else None
    if kind is None:
        raise ValueError("it is no array")
    length = file.read(struct.calcsize(kind))
    (count,) = struct.unpack(kind, length)
    if count > _MOST_HEADER:
        raise ValueError(f"its header has {count:,} bytes")
    header = file.read(count)
    read = np.lib.format.read_array_header_1_0 if start[6] == 1 else np.lib.format.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of headers that Python 2 wrote.
            shape, fortran, dtype = read(io.BytesIO(length + header), max_header_size=_MOST_HEADER)
    except Exception as error:  # numpy has Python read it, and that fails in many ways.
        raise ValueError("its header is no description of an array") from error
    if dtype.hasobject or dtype.names is not None or dtype.subdtype is not None:
        raise ValueError("it holds objects, not numbers")
    found = Header(dtype, shape, fortran)
    if any(side < 0 for side in shape) or found.bytes != size - _MAGIC - len(length) - count:
        raise ValueError(f"it has {size:,} bytes, which are not {found}")
    return found
