"""How releases and rounds of a fleet got on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.fleet import accuracies, carried, missed, step, wave
from tbft_edge.figures import count, moment, percent
from tbft_edge.pages.breaks import breakable
from tbft_edge.pages.charts.bars import Bar, histogram, long_bars
from tbft_edge.pages.charts.plot import Mark
from tbft_edge.pages.document import card, details, figure, missing, plots, section, table, tables
from tbft_edge.pages.markup import Markup, element

if TYPE_CHECKING:
    from tbft_fleet.host.status import ReleaseStatus, RoundStatus, Status

# What is older is in the JSON.
_RELEASES, _ROUNDS = 8, 50


def releases_section(status: Status) -> Markup:
    """The newest one drawn, those before it folded up."""
    if not status.releases:
        return section("Releases", element("p", "Nothing was released yet.", class_="soft"))
    newest, *before = status.releases[:_RELEASES]
    folded = [details(f"release {release.number}", _release(release)) for release in before]
    return section(f"Release {newest.number}", _release(newest), *folded)


def rounds_section(status: Status) -> Markup:
    """Who took part in which round, and whether the merge is better than each alone."""
    if not status.rounds:
        return Markup("")
    rows = [_round(found) for found in status.rounds[:_ROUNDS]]
    columns = [
        "round",
        "release",
        "plan",
        "rule",
        "took part",
        "late",
        "missing",
        "images",
        "each way",
        "alone → merged",
    ]
    note = (
        "Accuracy on the devices' own images, as the mean of those that told: what each came to alone, and with the "
        "release that all of them got of it. Missing are those that were asked, and are not in the merge. Each way: "
        "the tensors that each was sent and sent back, of all weights."
    )
    return section(
        "Rounds",
        element("p", breakable(note), class_="note"),
        element("div", table(columns, rows, stacking=True), class_="card"),
        details("who took part", tables(*(_took_part(found) for found in status.rounds[:_ROUNDS]))),
    )


def _took_part(found: RoundStatus) -> Markup:
    said = [", ".join(found.devices), *missed(found)]
    return card(f"round {found.number}", *(element("p", breakable(words), class_="note") for words in said))


def _release(release: ReleaseStatus) -> Markup:
    return plots(_progress(release), _spread(release), _worst(release))


def _progress(release: ReleaseStatus) -> Markup:
    waiting = release.reached - release.took - release.failed
    bars = [
        Bar("run it, or did", release.took, f"{release.took:,}"),
        Bar("rolled it back, or refused it", release.failed, f"{release.failed:,}", 1),
        Bar("did not tell yet", max(waiting, 0), f"{max(waiting, 0):,}", 6),
    ]
    described = "; ".join(f"{bar.name}: {bar.figure}" for bar in bars)
    note = f"{wave(release)}. Bundle {release.bundle_id[:12]}."
    return figure("Its waves", note, long_bars(f"Devices of release {release.number}. {described}", bars))


def _spread(release: ReleaseStatus) -> Markup:
    title, told = "Accuracy on their own images", sum(release.accuracies)
    if not told or release.mean is None:
        return missing(title, "no device that has it told one")
    bins = len(release.accuracies)
    edges = [100.0 * index / bins for index in range(bins + 1)]
    marks = [Mark(100 * release.mean, f"mean {percent(release.mean)}")]
    described = f"Accuracies of release {release.number} by tenths: {', '.join(map(str, release.accuracies))}"
    return figure(
        title, f"Of {count(told, 'device')}.", histogram(described, edges, release.accuracies, marks, "%", "devices")
    )


def _worst(release: ReleaseStatus) -> Markup:
    title = "The lowest"
    if not release.worst:
        return missing(title, "no device that has it told one")
    rows = [[each.device, percent(each.accuracy)] for each in release.worst]
    return card(title, table(["device", "accuracy"], rows))


def _round(found: RoundStatus) -> list[str]:
    return [
        f"{found.number} ({moment(found.made_at)})",
        step(found),
        found.plan,
        found.rule,
        f"{len(found.devices):,}",
        f"{len(found.late):,}",
        f"{len(found.missing):,}",
        f"{found.images:,}",
        carried(found),
        accuracies(found.alone, found.merged),
    ]
