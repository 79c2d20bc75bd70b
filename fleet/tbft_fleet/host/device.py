"""What a host remembers of one device: its key, and what matters of its results."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from tbft_artifacts.structs import Count, Large, Part, Some, Struct, Word
from tbft_fleet.files.enrolment import Enrolment
from tbft_fleet.files.names import Group
from tbft_fleet.files.result import Nonce, Outcome, Result, Training

# A lower counter is refused anyway: these are for a device whose random numbers repeat.
_NONCES = 32
# The releases that are shown of one device.
_RELEASES = 16


class Seen(Struct, frozen=True, kw_only=True):
    """How a device did with a release; `accuracy` (0 to 1) is the last on its own images while it ran that."""

    release: Count
    outcome: Outcome | None = None
    why: Word | None = None
    accuracy: Part | None = None


class Device(Struct, frozen=True, kw_only=True):
    """`group` is where the host put it. `counter` is that of the newest result, `last`, which came at `heard_at`.

    Times are ISO 8601 by the host's clock. Results with numbers below `kept_from` were removed since. `training` is its
    newest one, of `trained`. `releases` are the newest ones that it told of, in their order.
    """

    enrolment: Enrolment
    group: Group
    enrolled_at: Word
    revoked_at: Word | None = None
    counter: Large = 0
    kept_from: Large = 0
    nonces: Annotated[tuple[Nonce, ...], Meta(max_length=_NONCES)] = ()
    heard_at: Word | None = None
    last: Result | None = None
    training: Training | None = None
    trained: Some | None = None
    releases: Annotated[tuple[Seen, ...], Meta(max_length=_RELEASES)] = ()

    @property
    def name(self) -> str:
        return self.enrolment.device

    def failed(self, newest: int) -> Seen | None:
        """The last release that it told of, if that failed and none followed it: `newest` is that of its group."""
        last = self.releases[-1] if self.releases else None
        if last is None or last.release < newest or last.outcome in (None, "committed"):
            return None
        return last

    def told(self, result: Result, at: str, kept_from: int = 0) -> Device:
        """With one more result, whose counter is higher than all before; `kept_from` is the lowest that stayed."""
        seen = {each.release: each for each in self.releases}
        running = seen.get(result.release, Seen(release=result.release))
        accuracy = running.accuracy if result.health.accuracy is None else result.health.accuracy
        seen[result.release] = replace(running, accuracy=accuracy)
        if result.update is not None:
            update = result.update
            known = seen.get(update.release, Seen(release=update.release))
            seen[update.release] = replace(known, outcome=update.outcome, why=update.why)
        return replace(
            self,
            counter=result.counter,
            kept_from=max(kept_from, self.kept_from),
            nonces=(*self.nonces, result.nonce)[-_NONCES:],
            heard_at=at,
            last=result,
            training=result.training or self.training,
            trained=result.release if result.training else self.trained,
            releases=tuple(seen[number] for number in sorted(seen)[-_RELEASES:]),
        )


def time_of(text: str | None) -> datetime | None:
    """A moment in ISO 8601, of which nobody knows who wrote it; None if it is none, or does not say where."""
    try:
        found = datetime.fromisoformat(text or "")
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
