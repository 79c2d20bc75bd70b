"""Updates of a device, one after the other until nothing newer is there: verify, stage, switch, gate, commit or back.

Whoever kills it at any moment leaves the old release or the new one, whole, and the next one goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic

from tbft_artifacts.errors import TbftError
from tbft_artifacts.numbered import NONE
from tbft_artifacts.structs import Struct
from tbft_fleet.device.apart import Question, judged_apart
from tbft_fleet.device.failed import add_failed, failed
from tbft_fleet.device.judged import Judged
from tbft_fleet.device.offered import is_above
from tbft_fleet.device.ongoing import DamagedError, Ongoing, read_ongoing, write_ongoing
from tbft_fleet.device.place import Place
from tbft_fleet.device.states import Event, State
from tbft_fleet.device.steps import OUTCOMES, OfferT, Put, Source, Steps, went
from tbft_fleet.device.tidying import is_whole, tidy
from tbft_fleet.files.result import WITHDRAWN, Outcome

_ON_TRIAL = (State.SWITCH, State.GATE)
_DECIDED = (State.COMMIT, State.ROLL_BACK)
# Without a carrier: what is decided is told, and what runs unproven is proven.
_GOES_ON = (*_ON_TRIAL, *_DECIDED)


class Ended(Struct, frozen=True, kw_only=True):
    """How an update ended; `gates` where any were measured."""

    release: int
    outcome: Outcome
    why: str | None
    gates: tuple[Judged, ...] = ()


def pull(
    place: Place,
    source: Source[Any],
    put: Put,
    tell: Callable[[Ongoing], None],
    judge: Callable[[Question], tuple[Judged, ...]] = judged_apart,
) -> Iterator[Ended]:
    """Take what is new, until nothing is; each update as it ends.

    Args:
        place: The device's folder, which nobody else pulls into meanwhile.
        source: Where releases come from.
        put: Signs how an update ended, for the host, with the accuracy of what runs now where gates measured it. It may
            be told twice of one where the power went.
        tell: Hears what an update is at.
        judge: Measures the gates.

    Raises:
        TbftError: Another process pulls, the source cannot be reached or not be trusted, or the disk is full. What
            runs runs on, but that a release whose gates were never measured is judged first, and goes if it must.
    """
    with place.taken():
        yield from _Updating(place, Steps(place, source, put, judge), tell).run()


@dataclass
class _Updating(Generic[OfferT]):
    place: Place
    steps: Steps[OfferT]
    tell: Callable[[Ongoing], None]

    def run(self) -> Iterator[Ended]:
        tidy(self.place)
        ongoing = self._unfinished()
        if ongoing is not None and ongoing.state in _DECIDED:
            yield self._finished(ongoing, None)
            ongoing = None
        try:
            offer = self.steps.source.newest()
        except TbftError:
            if ongoing is not None and ongoing.state in _GOES_ON:
                yield self._finished(ongoing, None)
            raise
        if ongoing is not None and ongoing.state in _ON_TRIAL and self.steps.is_withdrawn(ongoing):
            # Its gates, which may take the board down with them, need not be measured.
            ongoing = went(ongoing, Event.WITHDRAWN, WITHDRAWN)
        while True:
            if ongoing is not None and self._goes_on(ongoing, offer):
                yield self._finished(ongoing, offer)
            else:
                if ongoing is not None:
                    self._withdraw(ongoing)
                if offer is None or not self._is_new(offer):
                    return
                begun = Ongoing(
                    number=offer.release.number,
                    before=self.place.current(),
                    state=State.VERIFY,
                )
                yield self._finished(begun, offer)
            ongoing, offer = None, self.steps.source.newest()

    def _unfinished(self) -> Ongoing | None:
        """The update that was under way; where nobody can tell, what runs has to prove itself once more."""
        try:
            ongoing = read_ongoing(self.place.update)
        except DamagedError:
            number = self.place.current()
            if number == NONE:
                return None
            return Ongoing(number=number, before=self.place.latest({number}), state=State.GATE)
        if ongoing is None or ongoing.has_ended:
            return None
        # Of an archive nobody knows whether all of it is there.
        is_there = ongoing.state is not State.STAGE and is_whole(self.place, ongoing.number)
        goes_on = ongoing.state in (State.VERIFY, *_DECIDED) or is_there
        return ongoing if goes_on else went(ongoing, Event.DAMAGED)

    def _goes_on(self, ongoing: Ongoing, offer: OfferT | None) -> bool:
        """Whether it is finished first: nothing newer is there, and what it needs is."""
        if offer is not None and offer.release.number != ongoing.number:
            return offer.release.number < ongoing.number and ongoing.state in _GOES_ON
        return offer is not None or ongoing.state in _GOES_ON

    def _withdraw(self, ongoing: Ongoing) -> None:
        """Forget an update that never came to its end: what ran before it runs."""
        if self.place.current() == ongoing.number:
            self.place.releases.point(ongoing.before)
        self.place.releases.discard(ongoing.number)
        self.place.update.unlink(missing_ok=True)

    def _is_new(self, offer: OfferT) -> bool:
        """Whether this device never tried it, or had it and lost it."""
        number, forgotten = offer.release.number, offer.forgotten
        return is_above(number, self.place.current(), forgotten) and number not in failed(self.place) - forgotten

    def _finished(self, ongoing: Ongoing, offer: OfferT | None) -> Ended:
        """Go on until it ends; what it is at is written down before it is done."""
        self.steps.judged = ()
        while not ongoing.has_ended:
            write_ongoing(self.place.update, ongoing)
            self.tell(ongoing)
            ongoing = self.steps.take(ongoing, offer)
        if ongoing.state is not State.COMMITTED:
            add_failed(self.place, ongoing.number)
        write_ongoing(self.place.update, ongoing)
        self.tell(ongoing)
        return Ended(release=ongoing.number, outcome=OUTCOMES[ongoing.state], why=ongoing.why, gates=self.steps.judged)
