"""The fleet's repository as an update takes releases from it: for this device, and as it is at that moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_fleet.device.carrier import Carrier, carrier_of
from tbft_fleet.device.client import Client, Offer, newest, withdrew
from tbft_fleet.device.download import fetch
from tbft_fleet.device.failed import failed
from tbft_fleet.device.ongoing import DamagedError, read_ongoing
from tbft_fleet.device.place import Place


@dataclass(frozen=True)
class Repository:
    """A `Source`. `say` hears of what is not taken, and why, once, however often somebody looks."""

    place: Place
    carrier: Carrier
    say: Callable[[str], None]
    ahead: bool = False
    _said: set[str] = field(default_factory=set)

    def newest(self, *, whole: bool = False) -> Offer | None:
        client = self._client()
        # Over no bundle no delta can be laid.
        return newest(replace(client, bundles=frozenset()) if whole else client, self.carrier, self._say)

    def withdrew(self, number: int) -> bool:
        return withdrew(self._client(), self.carrier, number, self._say)

    def fetch(self, offer: Offer, folder: Path) -> Path:
        return fetch(self._client(), offer, folder)

    def _say(self, words: str) -> None:
        if words not in self._said:
            self._said.add(words)
            self.say(words)

    def _client(self) -> Client:
        place, device = self.place, self.place.device
        known = [place.release(number) for number in place.releases.numbers()]
        return Client(
            id=device.id,
            group=device.group,
            current=place.current(),
            bundles=frozenset(each.bundle_id for each in known if each is not None),
            tried=_tried(place),
            refused=failed(place),
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


def _tried(place: Place) -> int:
    """The number of the last update, as far as that is known; 0 if none is."""
    try:
        last = read_ongoing(place.update)
    except DamagedError:
        last = None
    return 0 if last is None else last.number
