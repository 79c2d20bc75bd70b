"""What a comparison gives, and `comparison.json`, the file that keeps it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Drift, purpose
from tbft_artifacts.preprocessing import Noun
from tbft_artifacts.regular import read_at_most
from tbft_edge.origin import Origin

FORMAT = 1
# A hundred runs are some hundred kB.
LIMIT = 64 * MIB

# What accuracy is held against; the names are those of fields of `Figures`.
CostName = Literal["seconds", "joules", "peak_memory_bytes"]
COSTS: tuple[CostName, ...] = ("seconds", "joules", "peak_memory_bytes")
Energy = Literal["measured", "estimate", "unavailable"]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One run that ended well.

    `plan` is what it trained, the one that the device chose where it had a choice. `trained_parameters`,
    `parameter_bytes`, `step_flops` (of a train step, per image) and `activation_bytes` (kept for the backward
    pass, per image) are what the manifest says of it. Accuracies are fractions (0 to 1), None where no image has a
    label. `epochs` that ended took `seconds` and `joules`, of the part that the meter `covered` (0 to 1).
    `peak_memory_bytes` is the resident maximum of the process, `idle_memory_bytes` what it held before training
    began. `inference_ms` is of one image, the forward pass only.
    """

    seed: int
    plan: str
    trained_parameters: int
    parameter_bytes: int
    step_flops: int
    activation_bytes: int
    accuracy_before: float | None
    accuracy_after: float | None
    epochs: int
    seconds: float
    joules: float | None
    covered: float
    peak_memory_bytes: int
    idle_memory_bytes: int
    inference_ms: float

    @property
    def training_memory_bytes(self) -> int:
        """What training added to the idle process."""
        return self.peak_memory_bytes - self.idle_memory_bytes


class Spread(msgspec.Struct, frozen=True):
    """The median of several runs, and from where to where they reach."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread | None:
        """None where there is no value, or one of them is missing."""
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        return cls(statistics.median(known), min(known), max(known))


class EntryResult(msgspec.Struct, frozen=True, kw_only=True):
    """One way of training: its runs that ended well, in the order of their seeds.

    `method` is the rule by which the trained part was chosen, `drift` what it answers, if it asks.
    `energy` says whether joules were measured, and by which `meter`. `failed` says why runs did not end well, once
    each; an entry without any `runs` has no figures. `notes` are what to know before believing them.
    """

    name: str
    method: str
    drift: Drift | None
    bundle: str
    bundle_id: str
    model: str
    plan: str
    blocks: tuple[str, ...]
    energy: Energy
    meter: str | None
    runs: tuple[Figures, ...]
    failed: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def chosen_by(self) -> str:
        """Method and drift in words."""
        if self.drift in (None, self.method):
            return self.method
        return f"{self.method}, {purpose(self.method, self.drift)}"

    def spread(self, figure: str) -> Spread | None:
        """Of a numeric field or property of `Figures`, over the runs."""
        return Spread.of([getattr(run, figure) for run in self.runs])


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """The entries, by name, that no other one beats: at least as accurate, and at most as dear, but not equal.

    Of the medians of accuracy after training and `cost`; `unavailable` says why there is none.
    """

    cost: CostName
    entries: tuple[str, ...]
    unavailable: str | None = None


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison. `data` and `test` are the words for an `Origin`.

    Accuracy is that on `test_images` images: those of `test`, or where it is None those that were held out of `data`
    to validate on. `input_kind` is what one of them is called.
    """

    format: int
    data: str
    test: str | None
    test_images: int
    train_images: int
    image_size: str
    seed: int
    repeats: int
    epochs: int
    val_fraction: float
    threads: int
    meter: str
    board: str
    versions: dict[str, str]
    entries: tuple[EntryResult, ...]
    fronts: tuple[Front, ...]
    notes: tuple[str, ...]
    input_kind: Noun = "image"

    @property
    def data_file(self) -> str:
        """The name of the data, without the hash."""
        return Origin.read(self.data).name

    @property
    def test_file(self) -> str | None:
        """Likewise."""
        return None if self.test is None else Origin.read(self.test).name

    def front(self, cost: CostName) -> Front:
        """That of accuracy and `cost`."""
        return next(front for front in self.fronts if front.cost == cost)


def write_results(results: Results, path: Path) -> None:
    """Write them as indented JSON, all or nothing."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def read_results(path: Path) -> Results:
    """Raises TbftError if `path` holds no comparison that this version reads."""
    try:
        content = read_at_most(path, LIMIT)
    except OSError as error:
        raise TbftError(f"comparison '{path}' cannot be read: {error.strerror}", "run 'tbft-edge compare'") from error
    results = decode(
        content, Results, LIMIT, failed=f"'{path}' holds no comparison", hint="run 'tbft-edge compare' again"
    )
    if results.format != FORMAT:
        raise TbftError(
            f"'{path}' has a comparison of format {results.format}, and this version reads {FORMAT}",
            "run 'tbft-edge compare' again",
        )
    return results
