"""What `tbft-edge fleet status` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tbft_edge.facts.fleet import COLUMNS, KINDS, accuracies, carried, headline, step, wave
from tbft_edge.figures import count, percent
from tbft_edge.tables.table import Table

if TYPE_CHECKING:
    from tbft_fleet.host.status import Status

# Of each kind of trouble, and of devices: what a terminal still shows. Pages and JSON have all.
_NEEDS, _DEVICES, _RELEASES, _ROUNDS = 3, 40, 3, 5
# Columns for which a terminal has room.
_COLUMNS = ("last seen", "release", "accuracy", "drift", "heat")


def status_lines(status: Status) -> Iterator[str]:
    """What is to be said before the devices."""
    said = [f"{status.counts[state]:,} {words}" for state, words in headline(status)]
    yield f"{count(len(status.devices), 'device')}: {', '.join(said)}"
    for kind, words in KINDS.items():
        found = [need for need in status.needs if need.kind == kind]
        for need in found[:_NEEDS]:
            yield f"{words}: {f'{need.device}: ' if need.device else ''}{need.words}"
        if len(found) > _NEEDS:
            yield f"{words}: {len(found) - _NEEDS:,} more"
    for release in status.releases[:_RELEASES]:
        mean = "" if release.mean is None else f", right on {percent(release.mean)} of their images on average"
        did = f"{release.took:,} run it or did, {release.failed:,} failed"
        yield f"release {release.number}: {wave(release)}; {did}{mean}"
    for each in status.rounds[:_ROUNDS]:
        came = f"alone → merged {accuracies(each.alone, each.merged)}"
        others = f", {len(each.missing):,} missing" if each.missing else ""
        sent = f"{carried(each)} each way"
        yield f"round {each.number}, release {step(each)}: {len(each.devices):,} took part{others}, {sent}, {came}"


def device_table(status: Status) -> Table:
    """Those to look at first, and as many others as there is room for."""
    rows = [
        [row.name, row.group, row.state, *(COLUMNS[column](row) for column in _COLUMNS)]
        for row in status.devices[:_DEVICES]
    ]
    left = len(status.devices) - len(rows)
    title = f"Devices; {left:,} more are in --json and --html" if left > 0 else "Devices"
    return Table(title, ["device", "group", "state", *_COLUMNS], rows, numbers=False)
