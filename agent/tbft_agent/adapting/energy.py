"""What trainings take, whatever becomes of them: by the board's meter, and by the clock where no meter saw them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


class Metered(msgspec.Struct, frozen=True):
    """What its own meter said of a training: joules in the `covered` part (0 to 1) of its epochs' `seconds`."""

    joules: float | None = None
    seconds: float = 0.0
    covered: float = 0.0
    mean_watts: float | None = None


@dataclass(frozen=True)
class Spent:
    """A training whose commands ran for `seconds`; `metered` is None where it did not live to say anything."""

    seconds: float
    metered: Metered | None = None

    @property
    def watts(self) -> float | None:
        """Its mean, as far as the meter saw it."""
        return None if self.metered is None else self.metered.mean_watts

    @property
    def measured(self) -> float:
        """Joules."""
        return 0.0 if self.metered is None else self.metered.joules or 0.0

    def estimated(self, watts: float | None) -> float | None:
        """Joules of the seconds that no meter saw, at its own mean or else at these `watts`; None if both are unknown.

        Reading images, diagnosis and proof are such seconds, and all of a training that failed, or was stopped.
        """
        known = watts if self.watts is None else self.watts
        seen = 0.0 if self.metered is None else self.metered.seconds * self.metered.covered
        return None if known is None else known * max(0.0, self.seconds - seen)
