"""What a figure depends on beside the code: versions, and the kind of machine."""

from __future__ import annotations

import platform
from importlib.metadata import version

import numpy as np

from tbft_runtime.graphs.sessions import onnxruntime_version


def runtime_versions() -> dict[str, str]:
    """Versions that a number depends on, and the machine's architecture."""
    return {
        "tbft-edge": version("tbft-edge"),
        "onnxruntime": onnxruntime_version(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
