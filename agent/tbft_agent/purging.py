"""Forgetting the images of an agent that does not run, whatever keeps it from running."""

from __future__ import annotations

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
    with place.taken_if_free() as is_free:
        if not is_free:
            return None
        count = forget(place.images)
        Journal(place.folder, SystemClock()).write("purged", "somebody wants all images forgotten", images=count)
        return count
