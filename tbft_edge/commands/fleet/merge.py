"""`tbft-edge fleet merge`: what several devices learned, as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import ExpectIdOption, JsonOption
from tbft_edge.console import print_json, quoted, say
from tbft_edge.figures import percent, size
from tbft_edge.tables.table import Table, show

if TYPE_CHECKING:
    from tbft_fleet.merging.merged_file import MergeRecord

RuleOption = Literal["mean", "trimmed", "median"]
NormsOption = Literal["merge", "local", "frozen"]


def command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders of 'tbft-edge train', of one bundle and plan.")
    ],
    out: Annotated[Path, typer.Option(help="The .safetensors to write: the next round begins with it, train --from.")],
    rule: Annotated[
        RuleOption,
        typer.Option(
            help="mean: weighted by images. trimmed: without the lowest and highest fifth of each value. median: each "
            "device is a vote. The last two outlive a minority that lies."
        ),
    ] = "mean",
    norms: Annotated[
        NormsOption | None,
        typer.Option(
            help="Running statistics of batch norms: of all devices together (merge), left out, so that each device "
            "keeps its own (local), or as they were before (frozen). Default: frozen where the runs left them as they "
            "were, else merge."
        ),
    ] = None,
    clip: Annotated[
        float, typer.Option(help="A run counts at most as if it had moved so many times as far as the median.")
    ] = 3.0,
    age: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN=ROUNDS", help="A run that is late by so many rounds, and counts less. Repeatable."),
    ] = None,
    own: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="With --norms local: give the file the statistics of this run, for that device alone."
        ),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Where the bundle is now; otherwise where each run has it.")
    ] = None,
    expect_id: ExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Merge what runs on several devices learned into one set of weights, without their images.

    Each run counts as it ended, not as it was in its best epoch. Only what the plan trains is in the file.
    """
    with extra("device"):
        from tbft_fleet.merging.merged_file import merge_runs
        from tbft_fleet.merging.runs import read_runs

        if own is not None and own not in runs:
            raise TbftError(f"--own '{own}' is none of the runs", "name it as it is given")
        found = read_runs(runs, _ages(age), bundle, expect_id)
        number = None if own is None else runs.index(own)
        record = merge_runs(found, out, rule=rule, norms=norms, clip=clip, own=number)
    if json:
        print_json(record)
        return
    _print(record)
    say(f"next: tbft-edge train BUNDLE --from {quoted(out)}, or tbft-edge fleet derive BUNDLE --from {quoted(out)}")


def _print(record: MergeRecord) -> None:
    rows = [
        [part.device, f"{part.images:,}", str(part.age), percent(part.weight), f"{part.norm:.3g}", percent(part.kept)]
        for part in record.parts
    ]
    title = (
        f"{record.plan} of bundle {record.bundle_id[:12]} by {record.rule}, statistics of batch norms: {record.norms}"
    )
    show(Table(title, ["run", "images", "rounds late", "weight", "moved by", "counted"], rows, numbers=True))
    say(f"a round takes {size(record.bytes)} to and from each device, and the whole model {size(record.model_bytes)}")


def _ages(texts: Sequence[str] | None) -> dict[Path, int]:
    """RUN=ROUNDS. Raises TbftError for what is not."""
    found: dict[Path, int] = {}
    for text in texts or ():
        name, _, rounds = text.rpartition("=")
        if not name or not (rounds.isascii() and rounds.isdigit() and len(rounds) <= 4):
            raise TbftError(f"--age '{text}' is not RUN=ROUNDS", "for example --age run=1")
        found[Path(name)] = int(rounds)
    return found
