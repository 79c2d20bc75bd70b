"""Amounts of memory as people write them."""

from __future__ import annotations

import re

from tbft_artifacts.errors import TbftError
from tbft_artifacts.structs import LARGEST_BUDGET

# As people write them: MB is a million, and a bare letter is what container tools mean by it.
_MEMORY_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "k": 1 << 10,
    "m": 1 << 20,
    "g": 1 << 30,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}


def memory_size(text: str, option: str) -> int:
    """Bytes of an amount such as 256MB (million), 512m (1024 * 1024) or 1g. Raises TbftError if it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)", text.strip())
    unit = found[2].lower() if found else "?"
    if found is None or unit not in _MEMORY_UNITS:
        raise TbftError(f"{option} '{text}' is no amount of memory", f"for example {option} 256MB or {option} 1g")
    wanted = float(found[1]) * _MEMORY_UNITS[unit]
    if not 1 <= wanted <= LARGEST_BUDGET:
        raise TbftError(f"{option} '{text}' is more memory than there is, or none", f"for example {option} 256MB")
    return int(wanted)
