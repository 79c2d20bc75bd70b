"""`tbft-edge bank`: runs of one bundle, each for a domain such as day or night, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import ExpectIdOption, JsonOption, ThreadsOption
from tbft_edge.console import print_json, quoted, say
from tbft_edge.figures import percent, size
from tbft_edge.tables.table import Table, show


def command(
    bank: Annotated[Path, typer.Argument(help="The bank: a file whose name ends in .bank, new or added to.")],
    add: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=RUN", help="A run folder, whose best state answers in the domain of that name. Repeatable."
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PHOTOS",
            help="Images of the domain that is added, without labels if need be, from which it is known again; "
            "otherwise those that its run was trained on. Repeatable.",
        ),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Where the bundle is now, if it was moved; the bank remembers it.")
    ] = None,
    threads: ThreadsOption = None,
    expect_id: ExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Put runs of one bundle, each trained in a domain such as day or night, into one file, or show what is in it.

    'predict' and 'eval' take the bank in place of a model, and answer each window of images by the domain that it
    looks like. The bundle as it came is the domain `source`, unless a run is added by that name. It must have been
    exported with --source.
    """
    with extra("device"):
        from tbft_edge.progress import ConsoleProgress
        from tbft_runtime import make_bank

        with ConsoleProgress() as progress:
            found = make_bank(
                bank,
                _named(add, "--add"),
                _named(data, "--data"),
                bundle=bundle,
                threads=threads,
                progress=progress,
                expect_id=expect_id,
            )
    if json:
        print_json(found)
        return
    rows = [
        [each.name, each.plan, f"{each.images:,}", percent(each.accuracy), size(each.bytes)] for each in found.domains
    ]
    title = f"domains of '{found.bank}', beside bundle {found.bundle_id[:12]} as it came"
    show(Table(title, ["domain", "plan", "images seen", "accuracy of its run", "size"], rows))
    if add:
        say(f"next: tbft-edge predict {quoted(bank)} PHOTOS")


def _named(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    """NAME=PATH. Raises TbftError for what is not, and for a name that comes twice."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise TbftError(f"{option} '{text}' is not NAME=PATH", f"for example {option} night=PATH")
        if name in found:
            raise TbftError(f"{option} names '{name}' twice", "give each domain once")
        found[name] = path
    return found
