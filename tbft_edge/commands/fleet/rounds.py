"""`tbft-edge fleet rounds`: devices train together, and none of their images leaves them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbft_artifacts.structs import MOST_EPOCHS
from tbft_edge.commands.fleet.host_options import ClipOption, FleetArgument, NormsOption, PortOption, RuleOption
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, quoted, say
from tbft_edge.figures import count

if TYPE_CHECKING:
    from tbft_fleet.files.round import Round

_WAIT_SECONDS = 60.0


def command(
    fleet: FleetArgument,
    rounds: Annotated[int, typer.Option(min=1, max=MOST_EPOCHS, help="How many.")],
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="Of each device in each round.")],
    plan: Annotated[str | None, typer.Option(help="What is trained. Default: what the release says.")] = None,
    rule: RuleOption = "mean",
    norms: NormsOption = None,
    clip: ClipOption = 3.0,
    timeout: Annotated[
        int, typer.Option(min=10, max=7 * 24 * 3600, help="Seconds that a round waits for devices that are slow.")
    ] = 600,
    base: Annotated[
        Path | None,
        typer.Option("--from", help="Begin with a .safetensors, such as merge.safetensors of an earlier round."),
    ] = None,
    port: PortOption = 8000,
    json: JsonOption = False,
) -> None:
    """Let the devices that are there train the newest release, merge what they learned, and begin again with that.

    Signed tasks go out, and signed results come back with the tensors that training changed. Whoever answers in time
    counts. Each merge lies in FLEET/merges/ with who took part.
    """
    with extra("federated", "tbft_fleet.rounds.rounds"):
        from tbft_fleet.host.folder import open_fleet
        from tbft_fleet.host.merges import merge_file
        from tbft_fleet.rounds.link import Link
        from tbft_fleet.rounds.rounds import Wanted, rounds_of
        from tbft_fleet.rounds.superlink import Place

        opened = open_fleet(fleet)
        wanted = Wanted(rounds, epochs, plan, rule, timeout, base, norms, clip)
        api = Place((opened.folder / "rounds").absolute()).api(f"127.0.0.1:{port}")
        with contextlib.closing(Link(api)) as link, rounds_of(opened, link, wanted, say) as found:
            link.wait(_WAIT_SECONDS)
            held = [_told(each, json) for each in found.hold()]
    if json:
        print_json(held)
        return
    merge = merge_file(opened, held[-1].number)
    say(f"next: tbft-edge fleet derive BUNDLE --from {quoted(merge)}, and 'fleet release' for what that makes")


def _told(found: Round, json: bool) -> Round:
    if not json:
        from tbft_edge.facts.fleet import carried, own_accuracy

        print_line(
            f"round {found.number}",
            f"{len(found.parts)} of {count(len(found.asked), 'device')}",
            f"{sum(part.images for part in found.parts):,} images",
            own_accuracy(found),
            f"{carried(found)} each way",
            f"{found.seconds or 0:.1f} s",
        )
    return found
