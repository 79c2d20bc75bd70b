"""What of this board the units that pull depend on."""

from __future__ import annotations

from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_fleet.device.place import Place
from tbft_fleet.device.timer import Pulling
from tbft_runtime.systemd.access import groups_for, groups_of, names_of
from tbft_runtime.systemd.here import both, code, firmware, plain
from tbft_runtime.systemd.places import Places
from tbft_runtime.systemd.steps import account


def pulling(state: Path, every: str) -> Pulling:
    """Of a board that joined a fleet.

    Raises TbftError for a folder that is no board's, for a board that knows nothing to pull from, and where the
    services' user could not read what it has to.
    """
    # Neither systemd nor chown follows a link to it.
    place = Place(state.resolve())
    device = place.device
    if device.carrier is None:
        raise TbftError(
            f"'{place.folder}' joined its fleet without --from: there is nothing that it could pull from by itself",
            f"write carrier = \"ADDRESS\" into '{place.folder}/device.toml'",
        )
    reads = [Path(path) for path in (device.carrier, device.images) if path is not None and "://" not in path]
    places = Places(plain(place.folder), both([*(path for path in reads if path.exists()), *code()]), ())
    who, throttling = account(), firmware()
    groups = names_of(groups_for(who, places.reads, ()) | groups_of(throttling))
    is_own = who.user is not None and place.folder.stat().st_uid == who.user
    return Pulling(places.state, places, every, groups, throttling, is_own)
