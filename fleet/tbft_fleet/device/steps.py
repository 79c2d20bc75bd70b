"""What is done in each state of an update; each can be done again where a kill came in between."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from msgspec.structs import replace

from tbft_artifacts.errors import TbftError
from tbft_artifacts.numbered import NONE
from tbft_fleet.device.apart import Question
from tbft_fleet.device.judged import Judged, accuracies, why_not
from tbft_fleet.device.ongoing import Ongoing, short, write_ongoing
from tbft_fleet.device.place import Place
from tbft_fleet.device.stage import holder, is_of_the_disk, stage
from tbft_fleet.device.states import Event, State, following
from tbft_fleet.device.tidying import clear_incoming
from tbft_fleet.files.release import Release
from tbft_fleet.files.result import WITHDRAWN, Outcome, Update

# Gates that were begun so often and never came to an end are those of a release that takes the board down with it.
TRIES = 3
OUTCOMES: Mapping[State, Outcome] = MappingProxyType(
    {State.COMMITTED: "committed", State.ROLLED_BACK: "rolled back", State.REFUSED: "refused"}
)


class Offer(Protocol):
    """A release that the fleet's signatures are on, for this device."""

    @property
    def release(self) -> Release: ...

    @property
    def forgotten(self) -> frozenset[int]:
        """Numbers of releases here that count no longer: only keys that are trusted no more stand behind them."""


OfferT = TypeVar("OfferT", bound=Offer)


class Source(Protocol[OfferT]):
    """Where releases come from. All raise TbftError where it cannot be reached, or is not to be trusted."""

    def newest(self, *, whole: bool = False) -> OfferT | None:
        """The newest one for this device, as a delta where one will do, or `whole`; None where there is none."""

    def withdrew(self, number: int) -> bool:
        """Whether the host took back a release that it had offered."""

    def fetch(self, offer: OfferT, folder: Path) -> Path:
        """Its archive, verified, in `folder`; what is there of it already is not fetched again."""


# How an update ended, and the accuracy (0 to 1) of what runs now on the device's own images; None is not known.
Put = Callable[[Update, float | None], object]


@dataclass
class Steps(Generic[OfferT]):
    """Whoever takes them writes down each state before it is acted on. `judged` is what the last gates came to."""

    place: Place
    source: Source[OfferT]
    put: Put
    judge: Callable[[Question], tuple[Judged, ...]]
    judged: tuple[Judged, ...] = ()
    _archive: Path | None = None

    def take(self, ongoing: Ongoing, offer: OfferT | None) -> Ongoing:
        """Do what its state says; what it is then."""
        match ongoing.state:
            case State.SWITCH:
                self.place.releases.point(ongoing.number)
                return went(ongoing, Event.SWITCHED)
            case State.GATE:
                return self._gate(ongoing)
            case State.COMMIT:
                return self._commit(ongoing)
            case State.ROLL_BACK:
                return self._roll_back(ongoing)
        assert offer is not None
        return self._verify(ongoing, offer) if ongoing.state is State.VERIFY else self._stage(ongoing, offer.release)

    def _verify(self, ongoing: Ongoing, offer: OfferT) -> Ongoing:
        self._fetch(offer)
        return went(ongoing, Event.VERIFIED)

    def _fetch(self, offer: OfferT) -> None:
        # One that lies here, of a release before, need not be carried twice.
        self._archive = holder(self.place, offer.release) or self.source.fetch(offer, self.place.incoming)

    def _stage(self, ongoing: Ongoing, release: Release) -> Ongoing:
        assert self._archive is not None
        self.place.releases.discard(ongoing.number)
        try:
            stage(self.place, release, self._archive)
        except TbftError as error:
            if is_of_the_disk(error):
                # The archive stays: somebody has to make room, and who pays for its bytes pays once.
                raise
            clear_incoming(self.place)
            whole = None if release.parent is None else self.source.newest(whole=True)
            if whole is not None and whole.release.number == ongoing.number:
                # Such as where another version of this package makes other bytes of the parent.
                self._fetch(whole)
                return self._stage(ongoing, whole.release)
            ended = went(ongoing, Event.REFUSED, error.message)
            self._put(ended)
            return ended
        clear_incoming(self.place)
        return went(ongoing, Event.STAGED)

    def _gate(self, ongoing: Ongoing) -> Ongoing:
        if self.place.current() != ongoing.number:
            self.place.releases.point(ongoing.number)
        if ongoing.tries >= TRIES:
            return went(ongoing, Event.FAILED, f"its gates were begun {TRIES} times and never came to an end")
        ongoing = replace(ongoing, tries=ongoing.tries + 1)
        write_ongoing(self.place.update, ongoing)
        release = self.place.release(ongoing.number)
        assert release is not None
        images = self.place.device.images
        before = str(self.place.bundle(ongoing.before)) if self.place.release(ongoing.before) is not None else None
        self.judged = self.judge(
            Question(before=before, after=str(self.place.bundle(ongoing.number)), gates=release.gates, images=images)
        )
        why = why_not(self.judged, release.gates)
        if why is None and self.is_withdrawn(ongoing):
            return went(ongoing, Event.WITHDRAWN, WITHDRAWN)
        return went(ongoing, Event.PASSED if why is None else Event.FAILED, why)

    def is_withdrawn(self, ongoing: Ongoing) -> bool:
        """Whether the host took it back meanwhile; not, as far as anybody knows, where it cannot be asked."""
        with contextlib.suppress(TbftError):
            return self.source.withdrew(ongoing.number)
        return False

    def _commit(self, ongoing: Ongoing) -> Ongoing:
        self.place.mend_link()
        kept = (ongoing.number, ongoing.before, self.place.current())
        # First, since it may make room for the result.
        for number in self.place.releases.numbers():
            if number not in kept:
                self.place.releases.discard(number)
        ended = went(ongoing, Event.TOLD)
        self._put(ended)
        return ended

    def _roll_back(self, ongoing: Ongoing) -> Ongoing:
        if self.place.current() == ongoing.number:
            before = ongoing.before if self.place.release(ongoing.before) is not None else NONE
            self.place.releases.point(before or self.place.latest({ongoing.number}))
        # Where nobody knew any more what was on trial, it may lead to that.
        self.place.mend_link()
        self.place.releases.discard(ongoing.number)
        ended = went(ongoing, Event.TOLD)
        self._put(ended)
        return ended

    def _put(self, ended: Ongoing) -> None:
        before, after = accuracies(self.judged)
        accuracy = after if ended.state is State.COMMITTED else before
        self.put(Update(release=ended.number, outcome=OUTCOMES[ended.state], why=ended.why), accuracy)


def went(ongoing: Ongoing, event: Event, why: str | None = None) -> Ongoing:
    """The same behind an event, as the table says."""
    return replace(ongoing, state=following(ongoing.state, event), why=ongoing.why if why is None else short(why))
