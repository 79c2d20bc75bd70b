"""Progress of a run: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tbft_runtime.training.state import Epoch


class ConsoleProgress:
    """Draws what `tbft_runtime` reports on stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> ConsoleProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, what: str, total: int) -> None:
        for task in self._bars.task_ids:
            self._bars.remove_task(task)
        self._bars.add_task(what, total=total)

    def advance(self, images: int) -> None:
        self._bars.advance(self._bars.task_ids[-1], images)

    def epoch(self, epoch: Epoch, total: int, best: bool) -> None:
        validation = epoch.validation
        self._console.print(
            f"epoch {epoch.number}/{total}: loss {epoch.train_loss:.4f}, validation loss {validation.loss:.4f}, "
            f"accuracy {validation.accuracy:.1%}, {epoch.seconds:.1f} s{', best so far' if best else ''}",
            soft_wrap=True,
        )

    def note(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)
