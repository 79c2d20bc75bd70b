"""What a person has to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from tbft_fleet.files.result import WITHDRAWN, Health
from tbft_fleet.host.device import Device
from tbft_fleet.host.status import Kind, Need

# The share of a disk that should stay free, and the days before something expires.
LEAST_FREE = 0.1
NOTICE = timedelta(days=14)


def of_device(device: Device, newest: int, silent: timedelta | None) -> Iterator[Need]:
    """Of a device whose group's newest release that is; `silent`: for how long, if too long."""
    failed = device.failed(newest)
    if failed is not None and failed.why != WITHDRAWN:
        words = f"{failed.outcome} release {failed.release}: {failed.why or 'it did not say why'}"
        yield Need(kind="gate", device=device.name, words=words)
    if silent is not None:
        heard = "nothing was ever heard of it" if device.last is None else f"silent for {silent.days:,} days"
        yield Need(kind="silent", device=device.name, words=heard)
    elif device.last is not None:
        # What one said that is silent now may be otherwise by now.
        for kind, words in _of_health(device.last.health):
            yield Need(kind=kind, device=device.name, words=words)


def of_host(expiries: Mapping[str, datetime], now: datetime) -> Iterator[Need]:
    """What expires soon, or has, by what it is called."""
    for what, when in sorted(expiries.items(), key=lambda item: item[1]):
        if when - now < NOTICE:
            verb = "expired" if when <= now else "expires"
            yield Need(kind="expiry", device=None, words=f"{what} {verb} on {when:%Y-%m-%d %H:%M} UTC")


def kinds(needs: Iterable[Need]) -> tuple[Kind, ...]:
    """Each kind once, in order."""
    return tuple(dict.fromkeys(need.kind for need in needs))


def _of_health(health: Health) -> Iterator[tuple[Kind, str]]:
    if health.drift is not None and health.drift > 1 and (health.accuracy is None or health.labels_wanted):
        wanted = f", and {health.labels_wanted:,} labels are wanted" if health.labels_wanted else ""
        yield "drift", f"its images are {health.drift:.1f} times as far from normal as is usual{wanted}"
    if health.throttled:
        hot = "" if health.celsius is None else f" at {health.celsius:.0f} °C"
        yield "throttling", f"slowed down{hot}"
    if health.under_voltage:
        yield "under-voltage", "its power supply is too weak"
    free, whole = health.disk_free_bytes, health.disk_bytes
    if free is not None and whole and free < LEAST_FREE * whole:
        yield "disk", f"{free / whole:.0%} of its disk is free"
    if not health.clock_is_known:
        yield "clock", "it does not know what time it is"
