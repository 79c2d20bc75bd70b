"""What whoever installs an agent decides: one TOML file, every field of which has a default but for two."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from tbft_artifacts.amounts import memory_size
from tbft_artifacts.bundle import bundle_id
from tbft_artifacts.decode import MIB, decode_toml
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_runtime.meters.meter import NO_METER
from tbft_runtime.meters.registry import check_name, usage

_HINT = "see docs/agent.md for every field"
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_JOULES = re.compile(r"(\d+(?:\.\d+)?)\s*J/day")
# Of images to train on there are 32 at least, each of some kB.
_LEAST_KEPT = 10**6
# Addresses that only programs on the same board reach.
LOOPBACK = ("127.0.0.1", "localhost", "::1")

Some = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class Camera(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder that a camera program fills."""

    folder: str
    after: Literal["keep", "delete"] = "keep"
    """What becomes of a picture that was answered."""
    every_seconds: Seconds = 1.0
    """How often the folder is looked at."""


class Http(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the page and the endpoint are."""

    host: str = "127.0.0.1"
    port: Port = 8642
    waiting: Some = 16
    """Images that may wait for the model; more are answered with 429."""


class Watching(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a window of images is said to look otherwise."""

    window: Annotated[int, msgspec.Meta(ge=8, le=1024)] = 32
    images_per_day: Some = 10_000
    """How many images the device sees, for the next field to mean what it says."""
    false_alarms_per_month: Annotated[float, msgspec.Meta(gt=0, le=1e6)] = 1.0
    """How many alarms without drift are put up with; docs/results/alarms.md says how many come."""
    quiet_images: Annotated[int, msgspec.Meta(ge=64)] = 512
    """From so many images the normal is learned, where the bundle does not know it."""


class Keeping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which recent images stay on the device."""

    size: str = "200MB"
    days: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 30.0
    """Of the agent's own running time."""

    @property
    def bytes(self) -> int:
        return memory_size(self.size, "`keep.size`")


class Asking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A few questions now and then: of labels that mean something else no image tells."""

    every_days: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 7.0
    """0: never."""
    images: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 8


class Adapting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When and how the device may train."""

    images: Annotated[int, msgspec.Meta(ge=32)] = 256
    """Images since the drift began that training waits for."""
    labels: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    """How many images are asked for; a part of them proves, and is never trained on."""
    unverified: bool = False
    """Whether what was learned without labels may answer before any label says that it is better."""
    hours: str | None = None
    """Such as "22:00-06:00", local time; training begins within them."""
    most_celsius: float | None = 75.0
    memory: str = "256MB"
    """What a training process may take (`train --memory-budget`)."""
    energy_budget: str | None = None
    """Such as "500 J/day"."""
    meter: str = "auto"
    most_forgotten: Annotated[float, msgspec.Meta(ge=0, le=100)] = 5.0
    """Points of accuracy on kept source images that a candidate may lose."""
    rest_hours: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 12.0
    """How long nothing is tried again after what came to nothing."""

    @property
    def memory_bytes(self) -> int:
        return memory_size(self.memory, "`adapt.memory`")

    @property
    def joules_per_day(self) -> float:
        """Without a budget there is no end of them."""
        if self.energy_budget is None:
            return math.inf
        found = _JOULES.fullmatch(self.energy_budget.strip())
        if found is None:
            raise TbftError(
                f"`adapt.energy_budget` '{self.energy_budget}' is no energy per day", 'for example "500 J/day"'
            )
        return float(found[1])

    @property
    def window_of_day(self) -> tuple[time, time] | None:
        """From when till when, if there are such hours."""
        if self.hours is None:
            return None
        found = _HOURS.fullmatch(self.hours.strip())
        if found is None:
            raise TbftError(f"`adapt.hours` '{self.hours}' are no hours", 'for example "22:00-06:00"')
        begin, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
        return begin, end


class Probation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a new model is watched before the old one is no longer at hand."""

    images: Some = 512
    less_sure: Share = 0.15
    """Mean confidence may be lower by so much than the model before had on the same kind of images."""


class Fleet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The device of a fleet that this board is: the agent looks for releases."""

    device: str
    """The folder that `fleet join` made."""
    every_minutes: Annotated[float, msgspec.Meta(ge=1, le=100_000)] = 60.0


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of the file. Paths are taken from the folder that it lies in."""

    bundle: str
    state: str
    expect_id: str | None = None
    """The id that the bundle must have, all 64 digits: another one is refused."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=1024)] | None = None
    metrics_file: str | None = None
    camera: Camera | None = None
    http: Http = Http()
    watch: Watching = Watching()
    keep: Keeping = Keeping()
    ask: Asking = Asking()
    adapt: Adapting = Adapting()
    probation: Probation = Probation()
    fleet: Fleet | None = None


@dataclass(frozen=True)
class Configured:
    """The settings, and where their paths lead."""

    file: Path
    settings: Settings
    bundle: Path
    state: Path
    camera: Path | None
    metrics: Path | None
    device: Path | None = None


def read_settings(file: Path) -> Configured:
    """Raises TbftError for a file that is not there, no TOML, or says what no agent does."""
    try:
        content = read_at_most(file, MIB)
    except OSError as error:
        raise unreadable(str(file), error) from error
    found = decode_toml(content, Settings, MIB, failed=f"'{file}' is no configuration of an agent", hint=_HINT)
    # Asked for once, so that they are refused now, and not in a night of next month.
    _ = found.keep.bytes, found.adapt.memory_bytes, found.adapt.joules_per_day, found.adapt.window_of_day
    if found.keep.bytes < _LEAST_KEPT:
        raise TbftError(
            f"`keep.size` '{found.keep.size}' has room for no images to learn from", "give 1MB or more, such as 200MB"
        )
    try:
        check_name(found.adapt.meter)
    except TbftError as error:
        raise TbftError(f"`adapt.meter`: {error.message}", f"it takes {usage()}") from error
    if found.adapt.energy_budget is not None and found.adapt.meter == NO_METER:
        raise TbftError(
            "`adapt.energy_budget` cannot be held with `adapt.meter` none",
            "take the meter out, so that one is looked for, or the budget",
        )
    if found.expect_id is not None:
        bundle_id(found.expect_id)
    base = file.resolve().parent

    def place(text: str) -> Path:
        return base / Path(text).expanduser()

    return Configured(
        file,
        found,
        place(found.bundle),
        place(found.state),
        None if found.camera is None else place(found.camera.folder),
        None if found.metrics_file is None else place(found.metrics_file),
        None if found.fleet is None else place(found.fleet.device),
    )
