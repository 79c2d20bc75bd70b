"""How long work tells whoever watches what it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from tbft_artifacts.plan import Drift
from tbft_runtime.energy.result import Vitals
from tbft_runtime.run.epoch import Epoch


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is, known before it looks at its first image: its folder, its plan, and `epochs` at most."""

    run: str
    plan: str
    drift: Drift | None
    epochs: int


class Progress(Protocol):
    """Receives what a run does, from one thread; `vitals` alone may come from another, at any time."""

    def started(self, outline: Outline) -> None:
        """A run of this kind starts or goes on."""

    def resumed(self, epochs: Sequence[Epoch], best_epoch: int) -> None:
        """It goes on after these; `best_epoch` as in the training state."""

    def begin(self, what: str, total: int) -> None:
        """A phase of `total` images begins."""

    def advance(self, images: int) -> None:
        """So many more images of the phase are done."""

    def training(self, images: int, loss: float, accuracy: float | None) -> None:
        """So many more images were trained on; mean loss, and accuracy (0 to 1) of those with a label, so far."""

    def epoch(self, epoch: Epoch, total: int, best: bool) -> None:
        """An epoch of `total` ended; `best` if no earlier state had a lower validation loss."""

    def vitals(self, vitals: Vitals) -> None:
        """What was last measured; at most once a second."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """A `Progress` that shows nothing."""

    def started(self, outline: Outline) -> None: ...

    def resumed(self, epochs: Sequence[Epoch], best_epoch: int) -> None: ...

    def begin(self, what: str, total: int) -> None: ...

    def advance(self, images: int) -> None: ...

    def training(self, images: int, loss: float, accuracy: float | None) -> None: ...

    def epoch(self, epoch: Epoch, total: int, best: bool) -> None: ...

    def vitals(self, vitals: Vitals) -> None: ...

    def note(self, text: str) -> None: ...


class Together:
    """A `Progress` that tells several others, in their order."""

    def __init__(self, *others: Progress) -> None:
        self._others = others

    def started(self, outline: Outline) -> None:
        for other in self._others:
            other.started(outline)

    def resumed(self, epochs: Sequence[Epoch], best_epoch: int) -> None:
        for other in self._others:
            other.resumed(epochs, best_epoch)

    def begin(self, what: str, total: int) -> None:
        for other in self._others:
            other.begin(what, total)

    def advance(self, images: int) -> None:
        for other in self._others:
            other.advance(images)

    def training(self, images: int, loss: float, accuracy: float | None) -> None:
        for other in self._others:
            other.training(images, loss, accuracy)

    def epoch(self, epoch: Epoch, total: int, best: bool) -> None:
        for other in self._others:
            other.epoch(epoch, total, best)

    def vitals(self, vitals: Vitals) -> None:
        for other in self._others:
            other.vitals(vitals)

    def note(self, text: str) -> None:
        for other in self._others:
            other.note(text)
