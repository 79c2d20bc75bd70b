"""`tbft-edge fleet merge`: what several devices learned, as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.fleet.host_options import ClipOption, Norms, NormsOption, Rule, RuleOption
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import ExpectIdOption, JsonOption
from tbft_edge.console import print_json, print_line, quoted, say
from tbft_edge.figures import count, percent, size
from tbft_edge.tables.table import Table, show

if TYPE_CHECKING:
    from tbft_fleet.files.round import Round
    from tbft_fleet.merging.merged_file import MergeRecord


def command(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN...", help="Run folders of 'tbft-edge train', of one bundle and plan."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Of run folders: the .safetensors to write. The next round begins with it, train --from."),
    ] = None,
    fleet: Annotated[
        Path | None,
        typer.Option(
            metavar="FLEET",
            help="Instead of run folders: the newest training of each device that 'fleet collect' took, into "
            "FLEET/merges/.",
        ),
    ] = None,
    release: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="With --fleet: for this release. Default: the newest that is open."),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="With --fleet: trainings of this plan. Default: that of the release, or what all trained.",
        ),
    ] = None,
    rule: RuleOption = "mean",
    norms: NormsOption = None,
    clip: ClipOption = 3.0,
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
    """Merge what several devices learned into one set of weights, without their images.

    Of run folders, or of a fleet's results. Each run counts as it ended, not as it was in its best epoch. Only what
    the plan trains is in the file.
    """
    if fleet is not None:
        if runs or out or age or own or bundle or expect_id:
            raise TbftError(
                "with --fleet there are no run folders, and no --out, --age, --own, --bundle or --expect-id",
                "the fleet knows its results, releases and merges, and how late each device is",
            )
        _of_fleet(fleet, release, plan, rule, norms, clip, json)
        return
    if not runs or out is None:
        raise TbftError("there is nothing to merge", "give run folders and --out, or --fleet FLEET")
    if release is not None or plan is not None:
        raise TbftError("--release and --plan are for a fleet's results", "give --fleet FLEET with them")
    _of_runs(runs, out, rule, norms, clip, age, own, bundle, expect_id, json)


def _of_fleet(
    folder: Path,
    release: int | None,
    plan: str | None,
    rule: Rule,
    norms: Norms | None,
    clip: float,
    json: bool,
) -> None:
    with extra("device"), extra("fleet", "tbft_fleet.rounds.collected"):
        from tbft_fleet.host.folder import open_fleet
        from tbft_fleet.host.merges import merge_file
        from tbft_fleet.rounds.collected import Wanted, merge_collected

    fleet = open_fleet(folder)
    made = merge_collected(fleet, Wanted(release, plan, rule, norms, clip), say)
    if json:
        print_json(made)
        return
    _print_round(made)
    say(f"next: tbft-edge fleet derive BUNDLE --from {quoted(merge_file(fleet, made.number))}, and 'fleet release'")


def _of_runs(
    runs: list[Path],
    out: Path,
    rule: Rule,
    norms: Norms | None,
    clip: float,
    age: Sequence[str] | None,
    own: Path | None,
    bundle: Path | None,
    expect_id: str | None,
    json: bool,
) -> None:
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


def _print_round(made: Round) -> None:
    from tbft_edge.facts.fleet import carried, own_accuracy

    late = sum(part.age > 0 for part in made.parts)
    print_line(
        f"merge {made.number}",
        f"release {made.release}",
        count(len(made.parts), "device"),
        f"{late} late",
        f"{sum(part.images for part in made.parts):,} images",
        own_accuracy(made),
        carried(made),
    )


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
