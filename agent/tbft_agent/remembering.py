"""What an agent knows when it starts: what was kept, or what can be told from images and models where that is lost."""

from __future__ import annotations

import msgspec

from tbft_agent.journal import Journal
from tbft_agent.keeping.store import Store
from tbft_agent.memory import Memory, read_memory
from tbft_agent.place import Place
from tbft_agent.versions import Versions


def remembered(place: Place, store: Store, versions: Versions, journal: Journal, bundle: str) -> Memory:
    """What is known of the agent of `bundle` (its id). Versions of another bundle are removed.

    Raises TbftError if the folder cannot be written.
    """
    if store.was_damaged:
        journal.write("lost", "the list of images was damaged: it begins anew, and images before are gone")
    memory = read_memory(place.memory)
    if memory is None:
        if place.memory.exists():
            journal.write("lost", "'memory.json' is damaged, or of another version: it watches as if it were new")
        lived, episode = store.latest()
        # Images of now are no part of what came before; the model that answers is on no probation.
        return Memory(lived=lived, checked=lived, episode=episode + 1, version=versions.current, bundle=bundle)
    if memory.bundle in ("", bundle):
        return msgspec.structs.replace(memory, bundle=bundle)
    journal.write("replaced", "the bundle is another one: it answers, and what came of the one before is removed")
    versions.clear()
    return Memory(
        lived=memory.lived, checked=memory.lived, episode=memory.episode + 1, paused=memory.paused, bundle=bundle
    )
