"""Whether a candidate is right more often than the model that answers, by more than chance."""

from __future__ import annotations

from math import comb
from typing import Any

import msgspec

from tbft_runtime.going_back import Forgotten, loses_more

# A candidate that is no better seems so once in twenty times.
LEVEL = 0.05
# Of fewer images that somebody said something of nothing can be told: five that only the candidate knows are needed.
FEWEST = 6


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Of `images` held-out labelled ones: how many either gets right, and with which chance the candidate would win as
    clearly if it were no better, or lose as clearly (`against`) if it were no worse.

    `forgotten` is what the candidate lost on source images that the bundle keeps; None where it keeps none. Where it
    `renames` classes, their labels are no longer right, and to lose them is no loss.
    """

    images: int
    right_before: int
    right_after: int
    chance: float
    against: float = 1.0
    forgotten: Forgotten | None = None
    renames: bool = False

    @property
    def decides(self) -> bool:
        return self.images >= FEWEST

    @property
    def is_better(self) -> bool:
        return self.decides and self.chance < LEVEL

    @property
    def is_worse(self) -> bool:
        return self.decides and self.against < LEVEL

    def figures(self, how: str) -> dict[str, Any]:
        """What the journal says of a candidate that was made so; `Judged` reads it."""
        found = self.forgotten
        source = {} if found is None else {"source before": found.before, "source after": found.after}
        return {
            "how": how,
            "images": self.images,
            "right before": self.right_before,
            "right after": self.right_after,
            "chance": round(self.chance, 4),
            **source,
        }

    def forgets_more(self, points: float) -> bool:
        """Whether it lost more than so many points of accuracy on what the model knew, and still means the same."""
        found = self.forgotten
        return found is not None and not self.renames and loses_more(found.before, found.after, points / 100)


def chance_of(gained: int, lost: int) -> float:
    """The exact one-sided test of McNemar: of images that just one of both answers rightly, `gained` or more are the
    candidate's, if either were as likely.
    """
    count = gained + lost
    return float(sum(comb(count, wins) for wins in range(gained, count + 1)) / 2**count)
