"""Whose tasks a device takes: the keys that its trusted root metadata name for the roles `targets` and `snapshot`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_fleet.device.clock import Clock, wall_clock
from tbft_fleet.device.place import Place
from tbft_fleet.device.trusted import ROOT_LIMIT

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey
    from tuf.api.metadata import Root

# The host's key `online` signs snapshots; the one of `targets` may lie elsewhere.
_ROLES = ("snapshot", "targets")


def trusted_keys(place: Place) -> tuple[SSlibKey, ...]:
    """Those of now: with the root that the last 'fleet pull' verified, or else the one that the device joined with.

    Raises TbftError where that cannot be read, and where it expired: then nobody can say whether they still count.
    """
    from securesystemslib.signer import SSlibKey

    root = _root(place)
    if root.is_expired(_time(place, root)):
        raise TbftError(
            f"no task is taken: the root metadata of this device expired on {root.expires:%Y-%m-%d}",
            "'tbft-edge fleet pull' brings newer ones, which 'fleet keys renew' makes on the host; set this clock if "
            "it is wrong",
        )
    ids = {keyid for role in _ROLES for keyid in root.roles[role].keyids}
    return tuple(key for keyid, key in root.keys.items() if keyid in ids and isinstance(key, SSlibKey))


def trusted_time(place: Place) -> datetime:
    """By which a device judges whether something expired. Raises TbftError for root metadata that cannot be read."""
    return _time(place, _root(place))


def _time(place: Place, root: Root) -> datetime:
    return Clock(place.clock, wall_clock()).time(tuple(sorted(root.roles["timestamp"].keyids)))


def _root(place: Place) -> Root:
    from tuf.api.exceptions import RepositoryError
    from tuf.api.metadata import Metadata, Root

    path = place.tuf / "root.json"
    try:
        content = read_at_most(path if path.exists() else place.root, ROOT_LIMIT)
        return Metadata[Root].from_bytes(content).signed
    except OSError as error:
        raise unreadable(path, error) from error
    except RepositoryError as error:
        raise TbftError(f"'{path}' is no root metadata: {error}", "join the device again") from error
