"""Arguments that several commands of a fleet take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

State = Annotated[Path, typer.Argument(help="The device's own folder, such as /var/lib/tbft-edge/fleet.")]
CarrierOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="URL|FOLDER",
        help="Where releases come from: the address of the fleet's repository, or a folder such as that of a stick.",
    ),
]
