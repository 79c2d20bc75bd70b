"""Forgetting the images of an agent that does not run, whatever keeps it from running."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tbft_agent.clock import SystemClock
from tbft_agent.journal import Journal
from tbft_agent.keeping.listing import forget
from tbft_agent.place import Place
from tbft_agent.settings import Configured


def purge_at_rest(configured: Configured) -> int | None:
    """How many images there were; None where an agent runs, which has to do it itself.

    Raises TbftError if they cannot be removed.
    """
    place = Place(configured.state)
    if not place.folder.is_dir():
        return 0
    with _as_owner(place.folder), place.taken_if_free() as is_free:
        if not is_free:
            return None
        count = forget(place.images)
        Journal(place.folder, SystemClock()).write("purged", "somebody wants all images forgotten", images=count)
        return count


@contextlib.contextmanager
def _as_owner(folder: Path) -> Iterator[None]:
    """Root becomes whoever the folder belongs to: what root wrote there the agent could not change."""
    owner = folder.stat()
    if os.geteuid() or not owner.st_uid:
        yield
        return
    group = os.getegid()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
