"""Arguments and options that several commands of a fleet's host take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FleetArgument = Annotated[Path, typer.Argument(metavar="FLEET", help="The fleet's folder on its host.")]
GroupsOption = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="NAME", help="Only for this group; several times for several."),
]
