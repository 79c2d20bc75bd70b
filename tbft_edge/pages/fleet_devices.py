"""The devices of a fleet, a row each; of many those first that somebody has to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tbft_edge.facts.fleet import COLUMNS, KINDS
from tbft_edge.figures import count
from tbft_edge.pages.breaks import breakable
from tbft_edge.pages.document import badge, details, section, table
from tbft_edge.pages.markup import Markup, element, join

if TYPE_CHECKING:
    from tbft_fleet.host.status import DeviceStatus, Status

# So many rows are read, and drawn at once; the others are folded up.
_SHOWN = 60


def devices_section(status: Status) -> Markup:
    """A row for each device."""
    rows = status.devices
    shown = len(rows) if len(rows) <= _SHOWN else min(_SHOWN, sum(_is_odd(row) for row in rows))
    rest = rows[shown:]
    note = (
        "Accuracy is on the device's own labelled images: before and after its last training, or with the release "
        "before and this one. Drift is how far its images are from normal, as a multiple of what is usual. Energy and "
        "peak memory are those of its last training."
    )
    parts = [
        element("p", breakable(note), class_="note"),
        *([element("div", _table(rows[:shown]), class_="card")] if shown else []),
        *([details(_summary(rest, shown), element("div", _table(rest), class_="card"))] if rest else []),
    ]
    return section("Devices", *parts)


def _is_odd(row: DeviceStatus) -> bool:
    return row.state != "running" or bool(row.needs)


def _summary(rest: Sequence[DeviceStatus], shown: int) -> str:
    odd = sum(map(_is_odd, rest))
    more = " more" if shown else ""
    return f"{count(len(rest), 'device')}{more}" + (
        f", of which {odd:,} need a look" if odd else ", all as they should"
    )


def _table(rows: Sequence[DeviceStatus]) -> Markup:
    return table(["device", "state", *COLUMNS], [_row(row) for row in rows], stacking=True)


def _row(row: DeviceStatus) -> list[str]:
    name = join([breakable(row.name), element("small", breakable(row.group))])
    return [name, _state(row), *(read(row) for read in COLUMNS.values())]


def _state(row: DeviceStatus) -> Markup:
    state = row.state if row.state == "running" else badge(row.state)
    needs = ", ".join(KINDS[kind] for kind in row.needs if kind != row.state)
    return join([state, *([element("small", breakable(needs), class_="range")] if needs else [])])
