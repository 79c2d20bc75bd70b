"""`tbft-edge agent install` and `uninstall`: the agent as a service that systemd starts with the board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.commands.services import YesOption, carry_out_if

DEFAULT = Path("/etc/tbft-edge/agent.toml")
_MODULES = ("tbft_agent.service", "tbft_agent.systemd.plan")

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="The agent's .toml file.")]
_OTHERWISE = "run 'tbft-edge agent CONFIG', or a container"


def install(config: Config = DEFAULT, yes: YesOption = False, json: JsonOption = False) -> None:
    """Show what makes a service of it that starts with the board, and the unit; with --yes do it, as root."""
    with extra("agent", *_MODULES):
        from tbft_agent.settings import read_settings
        from tbft_agent.systemd.machine import this_machine
        from tbft_agent.systemd.plan import to_install

        configured = read_settings(config.resolve())
        carry_out_if(yes, to_install(configured, this_machine(configured)), json, _OTHERWISE)


def uninstall(config: Config = DEFAULT, yes: YesOption = False, json: JsonOption = False) -> None:
    """Show what removes the service; with --yes do it, as root. Models, images and the configuration stay."""
    with extra("agent", *_MODULES):
        from tbft_agent.systemd.plan import to_uninstall

        carry_out_if(yes, to_uninstall(_state(config)), json, _OTHERWISE)


def _state(config: Path) -> Path | None:
    """Where the agent keeps things; None where no configuration says so any more."""
    from tbft_agent.settings import read_settings

    try:
        return read_settings(config).state
    except TbftError:
        return None
