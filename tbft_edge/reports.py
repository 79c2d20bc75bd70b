"""What was measured of a run or a model, as the command shows it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from tbft_edge.flags import with_flags
from tbft_runtime.energy.result import Energy
from tbft_runtime.reporting import read
from tbft_runtime.reporting.report import Report

_Measured = TypeVar("_Measured", bound=Struct)


def read_report(path: Path) -> Report:
    """The report of a run that ended. Raises TbftError as the runtime's function does."""
    return shown(read.read_report(path))


def shown(measured: _Measured) -> _Measured:
    """The same figures; where there are no joules, what says why, in any part, names options by their flags."""
    if isinstance(measured, Energy):
        return replace(measured, unavailable=measured.unavailable and with_flags(measured.unavailable))
    parts = {name: getattr(measured, name) for name in measured.__struct_fields__}
    return replace(measured, **{name: shown(part) for name, part in parts.items() if isinstance(part, Struct)})
