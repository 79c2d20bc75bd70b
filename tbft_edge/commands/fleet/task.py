"""`tbft-edge fleet task`: what devices are to train, as files that anybody may carry to them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.fleet.host_options import FleetArgument
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, quoted, say


class WrittenTask(msgspec.Struct, frozen=True):
    """A task in its folder: for which bundle and groups, what is trained, and until when it may be taken on."""

    task: str
    number: int
    bundle_id: str
    plan: str
    epochs: int
    groups: tuple[str, ...]
    expires: str


def command(
    fleet: FleetArgument,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The new folder to write.")],
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="Of each device.")],
    plan: Annotated[str | None, typer.Option(help="What is trained. Default: what the release says.")] = None,
    release: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="For devices that run this release. Default: the newest that is open."),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option("--from", help="Begin with a .safetensors, such as merge.safetensors of an earlier merge."),
    ] = None,
    timeout: Annotated[int, typer.Option(min=10, max=7 * 24 * 3600, help="Seconds that a device may train.")] = 24
    * 3600,
    days: Annotated[int, typer.Option(min=1, max=365, help="For so long devices may take it on.")] = 7,
    json: JsonOption = False,
) -> None:
    """Sign a task, and write it as files that SSH, HTTP or a stick carry: 'fleet train' on a device does it.

    What devices sign comes back by any way ('fleet collect'), and 'fleet merge --fleet' makes one of it.
    """
    with extra("device"), extra("fleet", "tbft_fleet.rounds.asking"):
        from tbft_fleet.host.folder import open_fleet
        from tbft_fleet.rounds.asking import Wanted, ask_by_file
        from tbft_fleet.rounds.task_folder import write_task

    if out.exists():
        raise TbftError(f"'{out}' is there already", "choose a new folder with --out")
    task, parcel = ask_by_file(open_fleet(fleet), Wanted(epochs, timeout, days, release, plan, base))
    write_task(out, parcel)
    assert task.expires is not None
    expires = task.expires.isoformat(timespec="seconds")
    made = WrittenTask(str(out), task.number, task.bundle_id, task.plan, task.epochs, task.groups, expires)
    if json:
        print_json(made)
        return
    print_line(f"task {made.number}", made.plan, f"for {', '.join(made.groups)}", f"until {made.expires}")
    say(f"next, on each device: tbft-edge fleet train STATE {quoted(out)}, and then 'fleet collect' here")
