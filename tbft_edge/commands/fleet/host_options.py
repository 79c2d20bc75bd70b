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
# As `tbft_fleet.files.round` has them.
Norms = Literal["merge", "local", "frozen"]
NormsOption = Annotated[
    Norms | None,
    typer.Option(
        help="Running statistics of batch norms: of all devices together (merge), left out, so that each device keeps "
        "its own (local), or as they were before (frozen). Default: what fleet.toml says of the plan; else frozen "
        "where training leaves them as they were, and merge where not."
    ),
]
ClipOption = Annotated[
    float, typer.Option(help="A device counts at most as if it had moved so many times as far as the median.")
]
