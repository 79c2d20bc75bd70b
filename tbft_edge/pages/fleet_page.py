"""A fleet on one page: `tbft-edge fleet status --html`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.fleet import KINDS, headline
from tbft_edge.figures import count, moment, percent
from tbft_edge.pages.breaks import breakable
from tbft_edge.pages.document import Tile, card, details, facts, page, section, tables, tiles
from tbft_edge.pages.fleet_devices import devices_section
from tbft_edge.pages.fleet_progress import releases_section, rounds_section
from tbft_edge.pages.markup import Markup, element, join

if TYPE_CHECKING:
    from tbft_fleet.host.status import Need, State, Status

# Longer lists are folded up behind their beginning.
_SHOWN = 6


def fleet_page(status: Status) -> str:
    """The page as one HTML file."""
    number = len(status.devices)
    body = [
        element(
            "header",
            element("h1", f"A fleet of {count(number, 'device')}"),
            element("p", f"As of {moment(status.at)}, from the results that were collected by then.", class_="soft"),
        ),
        tiles([_tile(status, name, words) for name, words in headline(status)]),
        section("What needs a person", _needs(status)),
        devices_section(status),
        releases_section(status),
        rounds_section(status),
        element("footer", "– is not known. Every figure of a device is from a result that it signed."),
    ]
    return page("Fleet", body)


def _tile(status: Status, state: State, words: str) -> Tile:
    number = status.counts[state]
    share = f"{percent(number / len(status.devices))} of all" if status.devices else "there is no device yet"
    return Tile(words, f"{number:,}", (share,))


def _needs(status: Status) -> Markup:
    found = {kind: [need for need in status.needs if need.kind == kind] for kind in KINDS}
    cards = [_kind(KINDS[kind], needs) for kind, needs in found.items() if needs]
    return tables(*cards) if cards else element("p", "Nothing.", class_="soft")


def _kind(name: str, needs: list[Need]) -> Markup:
    more = needs[_SHOWN:]
    folded = [details(f"{len(more):,} more", _listed(more))] if more else []
    return card(f"{name[:1].upper()}{name[1:]}: {len(needs):,}", _listed(needs[:_SHOWN]), *folded)


def _listed(needs: list[Need]) -> Markup:
    return facts([(join([breakable(need.device or "this host")]), need.words) for need in needs])
