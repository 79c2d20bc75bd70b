"""Arguments and options that several commands of a fleet's host take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

FleetArgument = Annotated[Path, typer.Argument(metavar="FLEET", help="The fleet's folder on its host.")]
GroupsOption = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="NAME", help="Only for this group; several times for several."),
]
PortOption = Annotated[
    int,
    typer.Option(min=1, max=65535, help="Where the SuperLink listens on loopback, for this host alone."),
]
# As `tbft_fleet.merging.rules` has them, which help names without importing NumPy.
Rule = Literal["mean", "trimmed", "median"]
RuleOption = Annotated[
    Rule,
    typer.Option(
        help="mean: weighted by images, up to three times the usual. trimmed: without the lowest and highest fifth of "
        "each value. median: each device is a vote. The last two outlive a minority that lies."
    ),
]
