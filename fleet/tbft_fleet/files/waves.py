"""Which devices a release goes to first: host and device count alike."""

from __future__ import annotations

import hashlib

from tbft_fleet.files.release import Release

BUCKETS = 100


def bucket(number: int, device: str) -> int:
    """In which hundredth, 0 to 99, a device is of release `number`: in another one of each, so that nobody is always
    the first.
    """
    digest = hashlib.sha256(f"{number}:{device}".encode("ascii")).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def is_open(release: Release, device: str) -> bool:
    """Whether the waves of a release have come to a device, of whichever group."""
    return bucket(release.number, device) < release.percent
