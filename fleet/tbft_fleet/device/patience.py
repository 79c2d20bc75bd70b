"""A server that failed is left alone for longer each time, so that a thousand boards do not keep it down."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_artifacts.own import read_own
from tbft_artifacts.rights import PRIVATE_FILE
from tbft_artifacts.structs import Seconds, Some, Struct
from tbft_artifacts.words import as_line
from tbft_fleet.device.carrier import Http
from tbft_fleet.device.clock import wall_clock
from tbft_fleet.device.place import Place
from tbft_fleet.device.repository import Repository
from tbft_fleet.device.retry_after import LaterError
from tbft_fleet.files.waves import BUCKETS, bucket

# After the first failure, and after however many.
FIRST_SECONDS, LONGEST_SECONDS = 15 * 60.0, 24 * 3600.0
# Longer ones are the longest by far.
_MOST_DOUBLINGS = 20
_LONGEST_WORDS = 200


class Failures(Struct, frozen=True, kw_only=True):
    """Of one server, one after the other: how many, `why` the last, and for how long it is left alone until when."""

    server: str
    count: Some
    why: str
    seconds: Seconds
    until: datetime

    def holds(self, now: datetime) -> bool:
        """Whether it still is left alone; a clock that was set back leaves nothing alone for years."""
        return self.until.tzinfo is not None and timedelta(0) < self.until - now <= timedelta(seconds=self.seconds)


class LeftAloneError(TbftError):
    """Nobody asked the server, since it failed not long ago."""


def pause(count: int, device: str, wanted: float = 0.0) -> float:
    """Seconds for which a server is left alone after `count` failures, or as long as it `wanted`: a day at most.

    Devices that failed together do not all come back together: up to a quarter is taken off, of each another part.
    """
    doubled = FIRST_SECONDS * 2.0 ** min(count - 1, _MOST_DOUBLINGS)
    early = bucket(count, device) / (4 * BUCKETS)
    return max(min(doubled, LONGEST_SECONDS) * (1 - early), min(wanted, LONGEST_SECONDS))


@contextlib.contextmanager
def counting_failures(
    source: Repository, waits: bool, now: Callable[[], datetime] = wall_clock
) -> Iterator[Repository]:
    """Inside, what is given takes releases as `source` does, and a server that fails is remembered.

    Raises LeftAloneError, if it `waits`, for a server that is to be left alone; also then an update that needs no
    server comes to its end. A folder is looked at each time: that costs nothing, and a stick may come at any moment.
    """
    if not isinstance(source.carrier, Http):
        yield source
        return
    counted = _Counted(source.carrier, source.place, waits, now)
    try:
        yield replace(source, carrier=counted)
    except TbftError as error:
        if counted.left_alone is None:
            raise
        known = counted.left_alone
        raise LeftAloneError(
            f"'{counted.shown}' is left alone until {known.until:%Y-%m-%d %H:%M} UTC: it failed "
            f"{known.count} time{'s' if known.count > 1 else ''}, at last with: {known.why}",
            "'tbft-edge fleet pull' without --timer asks at once",
        ) from error
    finally:
        counted.remember()


@dataclass
class _Counted:
    """A `Carrier` which knows how its server answered last."""

    server: Http
    place: Place
    waits: bool
    now: Callable[[], datetime]
    left_alone: Failures | None = None
    # What the last answer was: None of one that came, or began to.
    failed: OSError | None = None
    is_answered: bool = False

    @property
    def shown(self) -> str:
        return self.server.shown

    def pieces(self, name: str, start: int = 0) -> tuple[int, Iterator[bytes]]:
        known = self._known()
        if self.waits and not self.is_answered and known is not None and known.holds(self.now()):
            self.left_alone = known
            raise OSError("it is left alone for now")
        try:
            begun, pieces = self.server.pieces(name, start)
        except FileNotFoundError:
            self._answers(None)
            raise
        except OSError as error:
            self._answers(error)
            raise
        return begun, self._arriving(pieces)

    def _arriving(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Of what is cut in the middle the rest may come the next time, at the usual one."""
        came = False
        try:
            for piece in pieces:
                came = True
                yield piece
        except OSError as error:
            self._answers(None if came else error)
            raise
        self._answers(None)

    def _answers(self, failed: OSError | None) -> None:
        self.is_answered, self.failed = True, failed

    def _known(self) -> Failures | None:
        found = read_own(self.place.failures, Failures)
        return found if found is not None and found.server == self.shown else None

    def remember(self) -> None:
        """For the next time. A full disk remembers nothing, and is no reason to fail for."""
        if not self.is_answered:
            return
        with contextlib.suppress(TbftError, OSError):
            if self.failed is None:
                self.place.failures.unlink(missing_ok=True)
                return
            known = self._known()
            count = 1 if known is None else known.count + 1
            wanted = self.failed.seconds if isinstance(self.failed, LaterError) else 0.0
            seconds = pause(count, self.place.id, wanted)
            found = Failures(
                server=self.shown,
                count=count,
                why=as_line(self.failed.strerror or str(self.failed))[:_LONGEST_WORDS],
                seconds=seconds,
                until=self.now() + timedelta(seconds=seconds),
            )
            with atomic_file(self.place.failures, mode=PRIVATE_FILE) as temporary:
                temporary.write_bytes(msgspec.json.encode(found))
