"""Progress of a run: words over a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from tbft_artifacts.words import as_line
from tbft_edge.flags import with_flags
from tbft_runtime.energy.result import Vitals
from tbft_runtime.progress import Outline, Silent
from tbft_runtime.reporting.caveats import COVERED
from tbft_runtime.run.epoch import Epoch

# Looks alive; each drawing takes about a millisecond from training.
DRAWINGS_PER_SECOND = 4
_NARROWEST = 20
_SPACE = "\N{NO-BREAK SPACE}"
# A narrow terminal breaks the line behind the dot, and not inside a figure.
_DOT = f"{_SPACE}· "


class ConsoleProgress(Silent):
    """Draws what `tbft_runtime` reports on stderr."""

    def __init__(self) -> None:
        # Not rich's own guess, which environment variables change: a log stays free of control codes.
        terminal = sys.stderr.isatty()
        self._console = Console(stderr=True, highlight=False, markup=False, force_terminal=terminal)
        self._what = ""
        self._means = ""
        self._vitals = Vitals()
        self._epochs = _EpochTimes()
        # The last: it draws once when it is made.
        self._bars = _WordsAndBar(self._console, lambda: _DOT.join(self._words()))

    def __enter__(self) -> ConsoleProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def started(self, outline: Outline) -> None:
        self._epochs.planned = outline.epochs

    def resumed(self, epochs: Sequence[Epoch], best_epoch: int) -> None:  # noqa: ARG002
        for epoch in epochs:
            self._epochs.add(epoch.seconds)

    def begin(self, what: str, total: int) -> None:
        self._what, self._means = as_line(what), ""
        for task in self._bars.task_ids:
            self._bars.remove_task(task)
        self._bars.add_task(self._what, total=total)

    def advance(self, images: int) -> None:
        self._bars.advance(self._bars.task_ids[-1], images)

    def training(self, images: int, loss: float, accuracy: float | None) -> None:  # noqa: ARG002
        means = [f"loss{_SPACE}{loss:.3f}", *([] if accuracy is None else [f"{accuracy:.1%}"])]
        self._means = _DOT.join(means)

    def epoch(self, epoch: Epoch, total: int, best: bool) -> None:
        self._epochs.add(epoch.seconds)
        validation, vitals = epoch.validation, self._vitals
        words = [
            f"epoch {epoch.number}/{total}: loss {epoch.train_loss:.4f}",
            *([] if validation is None else [f"validation loss {validation.loss:.4f}"]),
            *([] if validation is None else [f"accuracy {validation.accuracy:.1%}"]),
            f"{epoch.seconds:.1f} s",
            *_drawn(epoch),
            *_board(vitals),
            *(["best so far"] if best else []),
        ]
        self.note(", ".join(words))

    def vitals(self, vitals: Vitals) -> None:
        self._vitals = vitals

    def note(self, text: str) -> None:
        self._console.print(as_line(with_flags(text)), soft_wrap=True)

    def _words(self) -> Iterable[str]:
        """What is known now; also called by the thread that draws."""
        if self._what:
            yield self._what
        if self._means:
            yield self._means
        vitals = self._vitals
        watts = [] if vitals.watts is None else [_marked(f"{vitals.watts:.1f} W", vitals.estimate)]
        for words in (*watts, *_board(vitals)):
            yield words.replace(" ", _SPACE)
        if left := self._epochs.left():
            yield f"at most {timedelta(seconds=round(left))} left".replace(" ", _SPACE)


class _WordsAndBar(Progress):
    """A line of words, more where the terminal is narrow, and the bar of the phase below."""

    def __init__(self, console: Console, words: Callable[[], str]) -> None:
        self._terminal = console
        self._words = words
        super().__init__(
            BarColumn(),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            console=console,
            refresh_per_second=DRAWINGS_PER_SECOND,
            transient=True,
            disable=not console.is_terminal,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        # Not rich's own wrapping, which breaks at any space.
        yield Text(textwrap.fill(self._words(), max(_NARROWEST, self._terminal.width), break_on_hyphens=False))
        yield from super().get_renderables()


class _EpochTimes:
    """How long epochs took, and so how long those left will."""

    def __init__(self) -> None:
        self.planned = 0
        self._count = 0
        self._seconds = 0.0
        self._last = 0.0

    def add(self, seconds: float) -> None:
        """An epoch of so many seconds is over."""
        self._count += 1
        self._seconds += seconds
        self._last = time.perf_counter()

    def left(self) -> float | None:
        """Seconds until the last planned epoch ends, if those to come take as long; None before the first is over."""
        if not self._count:
            return None
        to_come = self._seconds / self._count * (self.planned - self._count)
        return max(0.0, to_come - (time.perf_counter() - self._last))


def _drawn(epoch: Epoch) -> list[str]:
    """Mean watts and joules of an epoch, if the meter's samples for (nearly) all of it are there already."""
    energy = epoch.energy
    if energy is None or energy.covered_seconds < COVERED * epoch.seconds:
        return []
    estimate = energy.source.type == "estimate"
    watts = energy.joules / energy.covered_seconds
    return [_marked(f"{watts:.1f} W", estimate), _marked(f"{energy.joules:.1f} J", estimate)]


def _marked(figure: str, estimate: bool) -> str:
    """What was not measured says so."""
    return f"~{figure} est." if estimate else figure


def _board(vitals: Vitals) -> list[str]:
    """Temperature and throttling, if known."""
    celsius = [] if vitals.celsius is None else [f"{vitals.celsius:.0f} °C"]
    return celsius + (["throttled"] if vitals.throttled else [])
