"""`tbft-edge agent`: a device that looks after its model, and what people tell it."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer
import typer.core

from tbft_agent.web.replies import Accepted, Began, Paused, Purged, RolledBack
from tbft_artifacts.errors import TbftError
from tbft_edge.commands import agent_service
from tbft_edge.commands.agent_service import DEFAULT, Config
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, say

if TYPE_CHECKING:
    from tbft_agent.client import Client

_MODULES = ("tbft_agent.service", "tbft_agent.client")
_RUN = "run"


class _Group(typer.core.TyperGroup):
    """`agent CONFIG.toml` runs it: what is no command is a configuration."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            _check_no_command(args, list(self.commands))
            args = [_RUN, *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look after a model: answer images, notice drift, ask, adapt, prove it, swap, roll back. 'agent CONFIG.toml' "
    "runs it; the other commands talk to one that runs, or make a service of it.",
)


@app.command(_RUN)
def run(config: Config = DEFAULT) -> None:
    """Run until SIGTERM or Ctrl-C."""
    with extra("agent", *_MODULES):
        from tbft_agent.service import run as serve
        from tbft_agent.settings import read_settings

        serve(read_settings(config), say)


@app.command("status")
def status(config: Config = DEFAULT, json: JsonOption = False) -> None:
    """Say what it is at, which model answers, and what it waits for."""
    client = _client(config)
    from tbft_agent.web.status import Status

    found = client.get("/api/status", Status)
    if json:
        print_json(found)
        return
    from tbft_edge.tables.agent import status_lines

    for line in status_lines(found, client.address, client.token):
        print_line(line)


@app.command("pause")
def pause(config: Config = DEFAULT, json: JsonOption = False) -> None:
    """Train nothing until 'resume'; images are still answered."""
    _pause(config, json, paused=True)


@app.command("resume")
def resume(config: Config = DEFAULT, json: JsonOption = False) -> None:
    """Train again when there is reason."""
    _pause(config, json, paused=False)


@app.command("adapt")
def adapt(
    config: Config = DEFAULT,
    now: Annotated[bool, typer.Option("--now", hidden=True, help="As it does anyway.")] = False,  # noqa: ARG001
    json: JsonOption = False,
) -> None:
    """Adapt now, as if drift had been seen."""
    client = _client(config)
    found = client.post("/api/adapt", Began)
    _tell(found, json, f"{found.state}: it trains as soon as there are images and permission")


@app.command("accept")
def accept(config: Config = DEFAULT, json: JsonOption = False) -> None:
    """Keep the new model on probation, or use one that labels did not decide on."""
    client = _client(config)
    found = client.post("/api/accept", Accepted)
    on_probation = ", on probation" if found.state == "probation" else ""
    _tell(found, json, f"version {found.version} answers{on_probation}")


@app.command("rollback")
def rollback(config: Config = DEFAULT, json: JsonOption = False) -> None:
    """Let the model before answer."""
    client = _client(config)
    found = client.post("/api/rollback", RolledBack)
    _tell(found, json, f"version {found.version} answers")


@app.command("purge")
def purge(config: Config = DEFAULT, json: JsonOption = False) -> None:
    """Forget every image that the agent keeps, labelled ones too; also of one that does not run."""
    client = _client(config)
    from tbft_agent.purging import purge_at_rest

    try:
        found = client.post("/api/purge", Purged)
    except TbftError:
        # A list that is damaged may keep it from running.
        count = purge_at_rest(client.configured)
        if count is None:
            raise
        found = Purged(count)
    _tell(found, json, f"{found.images:,} images are forgotten")


@app.command("logs")
def logs(
    config: Config = DEFAULT,
    lines: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the last entries.")] = 50,
    json: JsonOption = False,
) -> None:
    """Print what it decided, and why; also of one that does not run."""
    with extra("agent", *_MODULES):
        from tbft_agent.clock import SystemClock
        from tbft_agent.journal import Journal
        from tbft_agent.settings import read_settings

        state = read_settings(config).state
        if state.exists() and not os.access(state, os.R_OK | os.X_OK):
            raise TbftError(f"'{state}' is for the user alone that the agent runs as", "put sudo before the command")
        entries = Journal(state, SystemClock()).latest(lines)
    if json:
        print_json(entries)
        return
    for entry in entries:
        print_line(entry.time, entry.what, entry.says)


app.command("install")(agent_service.install)
app.command("uninstall")(agent_service.uninstall)


def _check_no_command(args: list[str], commands: list[str]) -> None:
    """Raises TbftError for what is rather a command that nobody knows than a file."""
    word = args[0]
    is_path = Path(word).suffix or len(Path(word).parts) > 1 or Path(word).exists()
    if not is_path:
        near = difflib.get_close_matches(word, commands, 1)
        meant = f"did you mean '{near[0]}'? " if near else ""
        raise TbftError(
            f"'tbft-edge agent' has no command '{word}', and there is no such file",
            f"{meant}it has {', '.join(sorted(commands))}, or takes a configuration: tbft-edge agent agent.toml",
        )


def _pause(config: Path, json: bool, *, paused: bool) -> None:
    client = _client(config)
    found = client.post("/api/pause", Paused, paused=paused)
    _tell(found, json, "training is paused" if found.paused else "it trains again when there is reason")


def _client(config: Path) -> Client:
    with extra("agent", *_MODULES):
        from tbft_agent.client import Client
        from tbft_agent.settings import read_settings

        return Client(read_settings(config))


def _tell(found: object, json: bool, words: str) -> None:
    if json:
        print_json(found)
    else:
        print_line(words)
