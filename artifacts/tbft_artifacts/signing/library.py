"""What signs is imported where something is signed or checked: most devices have no use for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tbft_artifacts.errors import TbftError


@contextmanager
def signing_library() -> Iterator[None]:
    """Inside, securesystemslib and cryptography are imported. Raises TbftError where they are not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise TbftError(
            f"package '{error.name}' is not installed here, without which no signature can be made or checked",
            "install it with: pip install 'tbft-edge[fleet]', beside the extra that is there",
        ) from error
