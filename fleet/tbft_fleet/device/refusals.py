"""Why a device takes nothing from a carrier, in one line for each of TUF's reasons."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    SlowRetrievalError,
    UnsignedMetadataError,
)

from tbft_artifacts.errors import TbftError
from tbft_artifacts.words import as_line
from tbft_fleet.device.clock import Clock

_KEEPS = "what runs here goes on running"
_LONGEST = 200
# As OpenSSL says it.
_NOT_YET = "certificate is not yet valid"


@contextmanager
def refusals(shown: str, clock: Clock) -> Iterator[None]:
    """Turn what TUF refuses, of a carrier that errors call `shown`, into a TbftError."""
    try:
        yield
    except (RepositoryError, DownloadError) as error:
        raise refusal(error, shown, clock) from error


def refusal(error: RepositoryError | DownloadError, shown: str, clock: Clock) -> TbftError:
    """What a device's people read of it."""
    why = as_line(str(error))[:_LONGEST] or type(error).__name__
    match error:
        case ExpiredMetadataError():
            return TbftError(
                f"nothing new is taken from '{shown}': its metadata expired ({why}), by this device's clock, "
                f"{clock.wall:%Y-%m-%d}, or by the newest time that the host signed",
                f"{_KEEPS}; renew them on the host ('tbft-edge fleet keys renew'), and set this clock if it is wrong",
            )
        case BadVersionNumberError():
            return TbftError(
                f"nothing is taken from '{shown}': it has older metadata than this device saw before ({why})",
                f"{_KEEPS}; bring a newer copy, and if there is none, see who gives out old ones",
            )
        case UnsignedMetadataError():
            return TbftError(
                f"nothing is taken from '{shown}': no key that this fleet trusts signed it ({why})",
                f"{_KEEPS}; it is another fleet's, forged, or signed by a key that was revoked",
            )
        case LengthOrHashMismatchError():
            return TbftError(
                f"nothing is taken from '{shown}': it is not what was signed ({why})", f"{_KEEPS}; copy it again"
            )
        case DownloadLengthMismatchError():
            return TbftError(
                f"nothing is taken from '{shown}': a file goes on behind its end ({why})", f"{_KEEPS}; copy it again"
            )
        case SlowRetrievalError():
            return TbftError(
                f"nothing came from '{shown}' in time ({why})", f"{_KEEPS}; look at the network, and try again"
            )
        case DownloadHTTPError():
            return TbftError(
                f"'{shown}' is no whole repository of a fleet ({why})",
                "give the host's folder 'repository', a copy of it, or its address",
            )
        case DownloadError():
            # Of a server's certificate, which a clock that is behind takes for one of the future.
            clock_first = f"set this device's clock, {clock.wall:%Y-%m-%d}, if it is wrong"
            mend = clock_first if _NOT_YET in why else "check the address"
            return TbftError(f"nothing can be had from '{shown}' ({why})", f"{_KEEPS}; {mend}, and try again")
    return TbftError(f"nothing is taken from '{shown}': its metadata are damaged ({why})", f"{_KEEPS}; copy it again")
