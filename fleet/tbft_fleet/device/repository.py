"""The fleet's repository as an update takes releases from it: for this device, and as it is at that moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_fleet.device.carrier import Carrier, carrier_of
from tbft_fleet.device.client import Client, Offer, fetch, newest
from tbft_fleet.device.ongoing import DamagedError, Ongoing, read_ongoing
from tbft_fleet.device.place import Place
from tbft_fleet.device.states import State


@dataclass(frozen=True)
class Repository:
    """A `Source`. `say` hears of what is passed over, and why."""

    place: Place
    carrier: Carrier
    say: Callable[[str], None]
    ahead: bool = False

    def newest(self, *, whole: bool = False) -> Offer | None:
        client = self._client()
        # Over no bundle no delta can be laid.
        return newest(replace(client, bundles=frozenset()) if whole else client, self.carrier, self.say)

    def fetch(self, offer: Offer, folder: Path) -> Path:
        return fetch(self._client(), offer, folder)

    def _client(self) -> Client:
        place, device = self.place, self.place.device
        known = [place.release(number) for number in place.releases.numbers()]
        last = _last(place)
        did_not_stay = last is not None and last.state in (State.ROLLED_BACK, State.REFUSED)
        return Client(
            id=device.id,
            group=device.group,
            current=place.current(),
            bundles=frozenset(each.bundle_id for each in known if each is not None),
            tried=0 if last is None else last.number,
            # What is older than that is not taken anyhow.
            refused=frozenset({last.number} if last is not None and did_not_stay else ()),
            root=place.root,
            tuf=place.tuf,
            clock=place.clock,
            offered=place.offered,
            ahead=self.ahead,
        )


def repository(place: Place, carrier: str | None, say: Callable[[str], None], ahead: bool) -> Repository:
    """What `carrier` brings, or the device's own one. Raises TbftError where it has none."""
    found = carrier or place.device.carrier
    if found is None:
        raise TbftError(
            f"'{place.settings}' says of no `carrier` where releases come from", "give one, or add it there"
        )
    return Repository(place, carrier_of(found), say, ahead)


def _last(place: Place) -> Ongoing | None:
    """The last update, as far as that is known."""
    try:
        return read_ongoing(place.update)
    except DamagedError:
        return None
