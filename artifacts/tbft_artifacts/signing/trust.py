"""Whose bundles this machine opens: the public keys of its trust file, if it has one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import unreadable
from tbft_artifacts.signing.keys import public_keys

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

TRUST_FILE = Path("/etc/tbft-edge/trust.pem")
TRUST_VARIABLE = "TBFT_EDGE_TRUST"


class UntrustedError(TbftError):
    """No trusted key is known to have signed a bundle, which is neither damaged nor gone."""


def trust_file() -> Path | None:
    """The file of keys whose bundles alone are opened here; None where there is none, and anybody's are opened.

    It is the one that the environment variable names, else that in /etc. Raises UntrustedError where that is not clear:
    whoever asked for trust must never get none.
    """
    named = os.environ.get(TRUST_VARIABLE)
    if named is not None:
        if not named:
            raise UntrustedError(
                f"no bundle is opened, since {TRUST_VARIABLE} is set and names no file",
                "name the file of the keys that are trusted, or unset it",
            )
        return Path(named)
    try:
        TRUST_FILE.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(unreadable(TRUST_FILE, error)) from error
    return TRUST_FILE


def trusted_keys(trust: str | os.PathLike[str] | None = None) -> tuple[SSlibKey, ...] | None:
    """The keys in the file `trust`, or in this machine's trust file; None where neither is given.

    Raises TbftError for a file that cannot be used.
    """
    if trust is not None:
        return public_keys(Path(trust))
    file = trust_file()
    if file is None:
        return None
    try:
        return public_keys(file)
    except TbftError as error:
        raise _unusable(error) from error


def _unusable(error: TbftError) -> UntrustedError:
    return UntrustedError(f"no bundle is opened, since the trust file cannot be used: {error.message}", error.hint)
