"""What a release must show on a device, on that device's own images, before it stays."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from tbft_artifacts.structs import Part, Struct

Gate = Literal["doctor", "accuracy", "drop", "latency", "temperature", "throttling"]


class Gates(Struct, frozen=True, kw_only=True):
    """Limits, each of which is looked at if it is there; those `required` fail where they cannot be measured.

    `accuracy` is what the new release must be right in at least (0 to 1), `drop` how many points of accuracy it may
    be below the one before, on the same labelled images; `latency` the milliseconds of 95 % of its answers at most;
    `temperature` degrees Celsius at most, `throttling` false: the board must not be throttled or under voltage;
    `doctor` true: no check of `tbft-edge doctor` may fail.
    """

    doctor: bool = True
    accuracy: Part | None = None
    drop: Annotated[float, Meta(ge=0, le=100)] | None = None
    latency: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=200)] | None = None
    throttling: bool = True
    required: tuple[Gate, ...] = ("doctor",)
