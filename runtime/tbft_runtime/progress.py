"""How long work tells whoever watches what it does."""

from __future__ import annotations

from typing import Protocol

from tbft_runtime.training.state import Epoch


class Progress(Protocol):
    """Receives what a run does; the command draws bars from it."""

    def begin(self, what: str, total: int) -> None:
        """A phase of `total` images begins."""

    def advance(self, images: int) -> None:
        """So many more images of the phase are done."""

    def epoch(self, epoch: Epoch, total: int, best: bool) -> None:
        """An epoch of `total` ended; `best` if no earlier state had a lower validation loss."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """A `Progress` that shows nothing."""

    def begin(self, what: str, total: int) -> None: ...

    def advance(self, images: int) -> None: ...

    def epoch(self, epoch: Epoch, total: int, best: bool) -> None: ...

    def note(self, text: str) -> None: ...
