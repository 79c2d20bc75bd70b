"""The two halves of the product, imported when a command needs one."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from tbft_artifacts.errors import TbftError
from tbft_edge.signals import held

_HALVES = {
    "device": (
        "tbft_runtime.training_run",
        "tbft_runtime.inference.evaluation",
        "tbft_runtime.inference.prediction",
        "tbft_runtime.finalization",
    ),
    "export": ("tbft_export.export",),
    "fleet": ("tbft_fleet.host.folder",),
}
# Those that only add to what is there; the others bring packages that do not go together.
_ADDED = ("agent", "fleet")


@contextmanager
def extra(name: str, *modules: str) -> Iterator[None]:
    """Import the half of the product that the extra `name` brings, or only `modules` of it.

    A missing package becomes a hint at the extra.
    """
    try:
        for module in modules or _HALVES[name]:
            with held():
                importlib.import_module(module)
        yield
    except ModuleNotFoundError as error:
        raise TbftError(
            f"package '{error.name}' is not installed here",
            f"install it with: pip install 'tbft-edge[{name}]'"
            + ("" if name in _ADDED else ", in an environment of its own"),
        ) from error
