"""Who signs what is exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.keys import private_key
from tbft_artifacts.signing.trust import trust_file, trusted_keys

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner


def signer_of(key: Path | None) -> CryptoSigner | None:
    """Who signs with the private key in a file; None where nobody does.

    Raises TbftError if it cannot be read, and if this machine, which opens the bundle to check it, would refuse it.
    """
    signer = None if key is None else private_key(key)
    trusted = trusted_keys()
    if trusted is None or (signer is not None and signer.public_key.keyid in {each.keyid for each in trusted}):
        return signer
    what = "the bundle would not be signed" if key is None else f"the key in '{key}' is another one"
    raise TbftError(
        f"{what}, and this machine opens only what the keys in '{trust_file()}' signed",
        "export with `sign` and one of these keys, or where there is no trust file"
        if key is None
        else "add its public half to them, or export where there is no trust file",
    )
