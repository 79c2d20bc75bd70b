"""Where the bytes of each tensor lie in a safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import BinaryIO


def tensor_ranges(file: BinaryIO) -> Mapping[str, tuple[int, int]]:
    """Where each tensor begins and ends, from the start of a file that safetensors can read."""
    header_length = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(header_length))
    start = 8 + header_length
    return {
        name: (start + entry["data_offsets"][0], start + entry["data_offsets"][1])
        for name, entry in header.items()
        if name != "__metadata__"
    }
