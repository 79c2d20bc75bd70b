"""A run's figures in a Prometheus text file, for a node exporter's textfile collector."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from tbft_artifacts.atomic import atomic_file, check_place
from tbft_artifacts.errors import TbftError
from tbft_runtime.energy.result import Vitals
from tbft_runtime.progress import Outline, Silent
from tbft_runtime.run.epoch import Epoch

SUFFIX = ".prom"
SECONDS_BETWEEN_WRITES = 5


class _Figure(NamedTuple):
    """One sample: its family, what it says, its value (None: unknown), and labels beside those of the run."""

    family: type[GaugeMetricFamily] | type[CounterMetricFamily]
    name: str
    words: str
    value: float | None
    labels: dict[str, str]


@dataclass(eq=False)  # Registries hash their collectors.
class RunMetrics:
    """A Prometheus collector of what is known of a run; what is not is left out, and never 0.

    One thread sets everything; another may replace `vitals`.
    """

    outline: Outline | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    running: bool = True
    epoch: int | None = None
    best_epoch: int | None = None
    images: int = 0
    train_loss: float | None = None
    train_accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    vitals: Vitals = field(default_factory=Vitals)
    version: str = field(default_factory=lambda: version("tbft-edge"))  # Looked up once: that takes milliseconds.

    def ended(self, epoch: Epoch) -> None:
        """The figures of an epoch that ended."""
        self.epoch = epoch.number
        self.train_loss, self.train_accuracy = epoch.train_loss, epoch.train_accuracy
        if epoch.validation is not None:
            self.validation_loss, self.validation_accuracy = epoch.validation.loss, epoch.validation.accuracy

    def collect(self) -> Iterator[Metric]:
        """The families, by Prometheus' conventions for names and units; none before the run started."""
        if self.outline is None:
            return
        run = {"run": self.outline.run, "drift": self.outline.drift or "", **self.labels}
        info = {"version": self.version, "plan": self.outline.plan}
        yield InfoMetricFamily("tbft_edge", "What runs.", run | info)
        for figure in self._figures(self.outline.epochs):
            if figure.value is not None:
                labels = run | figure.labels
                family = figure.family(f"tbft_edge_{figure.name}", figure.words, labels=list(labels))
                family.add_metric(list(labels.values()), figure.value)
                yield family

    def _figures(self, planned: int) -> list[_Figure]:
        gauge, counter = GaugeMetricFamily, CounterMetricFamily
        vitals = self.vitals
        throttled = None if vitals.throttled is None else bool(vitals.throttled)
        meter = {"meter": vitals.meter or "", "estimate": "true" if vitals.estimate else "false"}
        loss, accuracy = "Mean cross-entropy of", "Part that was classified rightly of"
        train, validation = "the training images of the epoch so far.", "the validation images after the last epoch."
        return [
            _Figure(gauge, "running", "1 while the run is in progress, 0 afterwards.", self.running, {}),
            _Figure(gauge, "epoch", "Epochs that ended.", self.epoch, {}),
            _Figure(gauge, "epochs_planned", "Epochs at most; patience may end the run.", planned, {}),
            _Figure(gauge, "best_epoch", "Epoch with the lowest validation loss.", self.best_epoch, {}),
            _Figure(counter, "images", "Images trained on by this process, each in each epoch.", self.images, {}),
            _Figure(gauge, "train_loss", f"{loss} {train}", self.train_loss, {}),
            _Figure(gauge, "train_accuracy_ratio", f"{accuracy} {train}", self.train_accuracy, {}),
            _Figure(gauge, "validation_loss", f"{loss} {validation}", self.validation_loss, {}),
            _Figure(gauge, "validation_accuracy_ratio", f"{accuracy} {validation}", self.validation_accuracy, {}),
            _Figure(gauge, "power_watts", "Power within the meter's scope.", vitals.watts, meter),
            _Figure(counter, "energy_joules", "Energy within the meter's scope in this process.", vitals.joules, meter),
            _Figure(gauge, "temperature_celsius", "Temperature of the processor.", vitals.celsius, {}),
            _Figure(gauge, "throttled", "1 while the board is slowed down.", throttled, {}),
            _Figure(gauge, "last_update_timestamp_seconds", "Wall clock when this was written.", time.time(), {}),
        ]


class MetricsFile(Silent):
    """A `Progress` that keeps a file up to date: after each epoch, every few seconds in between, and at the end.

    The file appears when the run starts and is always whole. When the `with` block ends, however it does,
    the run reads as not running.

    Args:
        path: The file, which ends in .prom.
        note: Is told, once, if the file cannot be written any more; that ends no run.
        labels: What each sample is marked with beside the run, such as the device's name; None: nothing.

    Raises:
        TbftError: The path does not end in .prom, or its folder cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from tbft_runtime import MetricsFile, TrainOptions, train
        >>> options = TrainOptions(data="photos", out="run", drift="feature")
        >>> with MetricsFile("run.prom", print) as metrics:
        ...     result = train("bundle", options, metrics)
        >>> print(Path("run.prom").read_text())
        # HELP tbft_edge_info What runs.
        ...
    """

    def __init__(
        self, path: str | os.PathLike[str], note: Callable[[str], None], labels: Mapping[str, str] | None = None
    ) -> None:
        path = Path(path)
        if path.suffix != SUFFIX:
            raise TbftError(
                f"metrics file '{path}' does not end in {SUFFIX}",
                f"node exporters read nothing else; name it for example {path.stem or 'run'}{SUFFIX}",
            )
        if path.is_dir():
            raise TbftError(f"metrics file '{path}' is a folder", "name a file in it")
        check_place(path)
        self._path = path
        self._note = note
        self._metrics = RunMetrics(labels=labels or {})
        self._registry = CollectorRegistry()  # The default one tells of the process, too.
        self._registry.register(self._metrics)
        self._written = 0.0
        self._failed = False

    def __enter__(self) -> MetricsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._metrics.running = False
        self._write()

    def started(self, outline: Outline) -> None:
        self._metrics.outline = outline
        self._write()

    def resumed(self, epochs: Sequence[Epoch], best_epoch: int) -> None:
        if epochs:
            self._metrics.ended(epochs[-1])
            self._metrics.best_epoch = best_epoch
        self._write()

    def advance(self, images: int) -> None:  # noqa: ARG002
        self._write_at_times()

    def training(self, images: int, loss: float, accuracy: float | None) -> None:
        self._metrics.images += images
        self._metrics.train_loss, self._metrics.train_accuracy = loss, accuracy
        self._write_at_times()

    def epoch(self, epoch: Epoch, total: int, best: bool) -> None:  # noqa: ARG002
        self._metrics.ended(epoch)
        self._metrics.best_epoch = epoch.number if best else self._metrics.best_epoch or 0
        self._write()

    def vitals(self, vitals: Vitals) -> None:
        # No write: a slow disk must not keep the metering thread from its next sample.
        self._metrics.vitals = vitals

    def _write_at_times(self) -> None:
        if time.perf_counter() - self._written >= SECONDS_BETWEEN_WRITES:
            self._write()

    def _write(self) -> None:
        if self._metrics.outline is None:
            return
        self._written = time.perf_counter()
        try:
            # A collector of another user reads it. What a pulled plug does to it is made good by the next run.
            with atomic_file(self._path, durable=False) as temporary:
                temporary.write_bytes(generate_latest(self._registry))
        except (OSError, TbftError) as error:
            if not self._failed:
                self._failed = True
                cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
                why = cause.strerror if isinstance(cause, OSError) else cause
                self._note(f"metrics file '{self._path}' cannot be written any more: {why}")
