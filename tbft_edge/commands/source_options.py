"""Options of `tbft-edge export` about images of the source domain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SourceOption = Annotated[
    Path | None,
    typer.Option(
        help="Labelled images like those that the network was trained on (better not the same), as for train: the "
        "bundle gets the moments of their features, which 'learn' and others use, and with --keep some of them; "
        "persephonee trains exits on them."
    ),
]
KeepOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Ship N images of each class of --source, in 8 bits and as far as the frozen part computes them, so "
        "that the device can tell what it forgets, and train --remember. They show pictures.",
    ),
]
