"""`tbft-edge fleet train`: a device does a task that the fleet signed, whatever carried it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tbft_edge.commands.fleet.options import State
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, quoted, say


class DoneTask(msgspec.Struct, frozen=True):
    """A task, by its number, and the signed result that came of it, which waits in the outbox."""

    number: int
    plan: str
    result: str


def command(
    state: State,
    task: Annotated[Path, typer.Argument(metavar="TASK", help="The folder that 'fleet task' wrote on the host.")],
    json: JsonOption = False,
) -> None:
    """Train what the fleet signed, on this device's own images, and put the signed result into the outbox.

    A newer task takes the place of one that is not done, and none is done twice.
    """
    with extra("device"), extra("fleet", "tbft_fleet.rounds.training"):
        from tbft_fleet.device.place import Place
        from tbft_fleet.rounds.task_folder import read_task
        from tbft_fleet.rounds.training import Pupil
        from tbft_fleet.rounds.trusted_keys import trusted_keys

    place = Place(state)
    _ = place.device
    answer = Pupil(place, lambda: trusted_keys(place), lambda: None).answer(read_task(task))
    done = DoneTask(answer.task.number, answer.task.plan, str(answer.folder))
    if json:
        print_json(done)
        return
    print_line(done.result)
    say(f"task {done.number} is done; {quoted(answer.folder)} waits for whoever takes it to the host, 'fleet collect'")
