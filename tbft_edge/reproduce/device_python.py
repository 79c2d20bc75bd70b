"""The Python of the device engine: it must be what a device has, the stock onnxruntime wheel and no torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError

_HINT = "an environment of its own with pip install 'tbft-edge[device]', given with --device-python"
# Read from what pip recorded: an import would say less, and take longer.
_QUESTION = """
import json
from importlib.metadata import distributions
names = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in distributions() if d.metadata["Name"]}
print(json.dumps(names))
"""
_FOREIGN = ("torch", "onnxruntime-training", "onnxruntime-training-cpu")
_NEEDED = ("tbft-edge", "onnxruntime")


def default_device_python() -> Path:
    """The environment `device` beside the one that runs, as `make` lays them out."""
    return Path(sys.prefix).parent / "device" / "bin" / "python"


def check_device_python(python: Path) -> dict[str, str]:
    """Versions of tbft-edge and onnxruntime there. Raises TbftError if it is no such environment."""
    if not python.is_file():
        raise TbftError(f"there is no Python at '{python}'", _HINT)
    try:
        done = subprocess.run([python, "-c", _QUESTION], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise TbftError(f"'{python}' cannot be asked what it has: {error}", _HINT) from error
    installed = decode(done.stdout, dict[str, str], MIB, failed=f"'{python}' cannot be asked what it has", hint=_HINT)
    missing = [name for name in _NEEDED if name not in installed]
    foreign = [name for name in _FOREIGN if name in installed]
    if missing or foreign:
        words = [f"lacks {name}" for name in missing] + [f"has {name}" for name in foreign]
        raise TbftError(f"'{python}' is no device's Python: it {' and '.join(words)}", _HINT)
    return {name: installed[name] for name in _NEEDED}
