"""Whether this version of the runtime is new enough for a bundle."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tbft_artifacts.errors import TbftError


def check_runtime(minimum: str, installed: str, bundle: Path) -> None:
    """Raises TbftError if a bundle needs a newer version than the one that is installed."""
    if _release(installed) < _release(minimum):
        raise TbftError(
            f"bundle '{bundle}' needs tbft-edge {minimum} or newer, and this is {installed}",
            "upgrade tbft-edge on this device: pip install --upgrade 'tbft-edge[device]'",
        )


def installed_version() -> str:
    """That of this package. Raises TbftError if it cannot be read."""
    try:
        return version("tbft-edge")
    except PackageNotFoundError as error:
        # Where no file can be opened any more it is not found, either.
        raise TbftError(
            "the version of tbft-edge that is installed here cannot be read",
            "install it again, or raise the limits of this process (ulimit -a)",
        ) from error


def _release(text: str) -> tuple[int, ...]:
    """The numbers at the start of a version: (0, 1, 0) of `0.1.0.dev3`."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(number) for number in match[0].split(".")) if match else ()
