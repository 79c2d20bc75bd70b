"""Host compiler: a trained torch or ONNX classifier -> a bundle that stock ONNX Runtime can train.

Names are looked up when they are used: importing torch takes seconds, which what only lists lowerings need not wait.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tbft_export.export import Exported, export_bundle
    from tbft_export.options import ExportOptions
    from tbft_export.outline.outline import Outline, outline_export

__all__ = ["ExportOptions", "Exported", "Outline", "export_bundle", "outline_export"]

_HOMES = {
    "ExportOptions": "options",
    "Exported": "export",
    "Outline": "outline.outline",
    "export_bundle": "export",
    "outline_export": "outline.outline",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
