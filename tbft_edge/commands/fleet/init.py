"""`tbft-edge fleet init`: a fleet's folder on its host, with keys and an empty repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, quoted, say


class MadeFleet(msgspec.Struct, frozen=True):
    """Where a new fleet lies, what devices are given to join it by, and its groups."""

    fleet: str
    root: str
    groups: tuple[str, ...]


def command(
    fleet: Annotated[Path, typer.Argument(metavar="FLEET", help="The new folder.")],
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group", metavar="NAME", help="A group of devices; several times for several. 'main' by default."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a fleet: a folder with its settings, its keys, and a repository for releases."""
    with extra("fleet"):
        from tbft_fleet.host.folder import make_fleet

    made = make_fleet(fleet, group or ["main"])
    if json:
        print_json(MadeFleet(str(made.folder), str(made.root), tuple(made.settings.groups)))
        return
    print_line(str(made.root))
    say(f"devices join with {quoted(made.root)}; waves and gates are in {quoted(fleet / 'fleet.toml')}")
    say(f"{quoted(fleet / 'keys' / 'root.pem')} says who may sign: take it to a safe place until a key is rotated")
