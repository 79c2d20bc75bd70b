"""Flower in the one version whose private parts are called here: another one is refused, and none is a substitute."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tbft_artifacts.errors import TbftError

VERSION = "1.42"
# It would tell its makers of every start otherwise, ask them for newer versions, and log each message.
QUIET: Mapping[str, str] = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_LOG_LEVEL": "WARNING",
}
_INSTALL = "install it with: pip install 'tbft-edge[federated]', in an environment of its own"


def check_version() -> None:
    """Raises TbftError where Flower is not installed, or another minor version of it."""
    try:
        found = version("flwr")
    except PackageNotFoundError as error:
        raise TbftError("package 'flwr' is not installed here, over which rounds go", _INSTALL) from error
    if found.split(".")[:2] != VERSION.split("."):
        raise TbftError(
            f"flwr {found} is installed here, and rounds call what is private in flwr {VERSION}",
            "install the version that this tbft-edge was tested with: pip install 'tbft-edge[federated]'",
        )


@contextmanager
def flower() -> Iterator[None]:
    """Inside, parts of Flower are imported, of the right version, and nothing else is done.

    Raises TbftError where one of them is not there. Nothing takes its place: Flower's own runner would run code that a
    server sends.
    """
    check_version()
    os.environ.update(QUIET)
    try:
        yield
    except (ImportError, AttributeError) as error:
        raise TbftError(f"flwr is not as rounds need it: {error}", _INSTALL) from error


def program(name: str) -> Path:
    """One of Flower's commands, of the environment that this one runs in. Raises TbftError where it is not there."""
    check_version()
    found = Path(sys.executable).with_name(name)
    if not found.is_file():
        raise TbftError(f"'{found}' is missing", _INSTALL)
    return found
