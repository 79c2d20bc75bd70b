"""A scenario: what makes adaptation harder, by how much, and on which drift."""

from __future__ import annotations

import msgspec


class Scenario(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a case stands in the tables of its suite.

    `name` is the table and `setting` its column; figures are averaged over `drift` and `draw`, which is the number of
    the random choice of images. The pool of a `reference` is that of another scenario, too: it stands here to compare
    with, and counts there.
    """

    name: str
    setting: str
    drift: str
    draw: int
    reference: bool = False
