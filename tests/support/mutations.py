"""Change one leaf of a JSON document at a time, as a stranger would who can compute hashes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Place = tuple[str | int, ...]

NUMBERS: tuple[Any, ...] = (0, -1, 1, 2, 7, 1000, 2**31, 2**53, 2**62, 2**64, 10**400)
FRACTIONS: tuple[Any, ...] = (0.0, -1.0, 1e-300, 0.5, 1.0, 3e38, 1e308, -1e308)
WORDS: tuple[Any, ...] = ("", "\n", " ", "a\tb", "\u202e", "\x1b[2J", "\x00", "..", "/", "a" * 100_000, "0", "\ud7ff")
TYPES: tuple[Any, ...] = (None, True, 0, "x", [], {}, [[]])


def leaves(value: Any, place: Place = ()) -> Iterator[Place]:
    """The place of every value in a document, of lists and objects too."""
    if place:
        yield place
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from leaves(inner, (*place, key))


def at(document: Any, place: Place) -> Any:
    """The value there."""
    for key in place:
        document = document[key]
    return document


def replaced(document: Any, place: Place, value: Any) -> Any:
    """A copy with another value there."""
    changed = copy.deepcopy(document)
    at(changed, place[:-1])[place[-1]] = value
    return changed


def without(document: Any, place: Place) -> Any:
    """A copy without what is there."""
    changed = copy.deepcopy(document)
    del at(changed, place[:-1])[place[-1]]
    return changed


def mutations(document: Any, place: Place) -> Iterator[Any]:
    """Documents that differ from this one in what is at `place`: in range and out of it, swapped, twice, or gone."""
    value = at(document, place)
    yield without(document, place)
    for other in _others(value, _same_kind(document, value)):
        if other != value or type(other) is not type(value):
            yield replaced(document, place, other)


def _others(value: Any, alike: list[Any]) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (*NUMBERS, value + 1, value - 1)
    elif isinstance(value, float):
        yield from (*FRACTIONS, *NUMBERS, value / 2)
    elif isinstance(value, str):
        yield from (*WORDS, value + "x", *alike)
    elif isinstance(value, list):
        yield from ([], value[::-1], value[:1], value[1:], value + value[-1:], value * 50)
    yield from TYPES


def _same_kind(document: Any, value: Any) -> list[Any]:
    """Some other strings of the document: names that mean something else."""
    values = (at(document, place) for place in leaves(document))
    found = dict.fromkeys(text for text in values if isinstance(text, str))
    names = [text for text in found if text != value]
    return names[:: max(1, len(names) // 8)]
