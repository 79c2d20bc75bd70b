"""`tbft-edge agent install` and `uninstall`: the agent as a service that systemd starts with the board."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbft_artifacts.errors import TbftError
from tbft_edge.commands.halves import extra
from tbft_edge.commands.options import JsonOption
from tbft_edge.console import print_json, print_line, say

if TYPE_CHECKING:
    from tbft_agent.systemd.plan import Plan, Step

DEFAULT = Path("/etc/tbft-edge/agent.toml")
_MODULES = ("tbft_agent.service", "tbft_agent.systemd.plan")

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="The agent's .toml file.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this nothing is changed.")]


def install(config: Config = DEFAULT, yes: Yes = False, json: JsonOption = False) -> None:
    """Show what makes a service of it that starts with the board, and the unit; with --yes do it, as root."""
    with extra("agent", *_MODULES):
        from tbft_agent.settings import read_settings
        from tbft_agent.systemd.machine import this_machine
        from tbft_agent.systemd.plan import to_install

        configured = read_settings(config.resolve())
        _carry_out(to_install(configured, this_machine(configured)), yes, json)


def uninstall(config: Config = DEFAULT, yes: Yes = False, json: JsonOption = False) -> None:
    """Show what removes the service; with --yes do it, as root. Models, images and the configuration stay."""
    with extra("agent", *_MODULES):
        from tbft_agent.systemd.plan import to_uninstall

        _carry_out(to_uninstall(_state(config)), yes, json)


def _state(config: Path) -> Path | None:
    """Where the agent keeps things; None where no configuration says so any more."""
    from tbft_agent.settings import read_settings

    try:
        return read_settings(config).state
    except TbftError:
        return None


def _carry_out(plan: Plan, yes: bool, json: bool) -> None:
    from tbft_agent.systemd.plan import carry_out, check_may, run_as_root

    if yes:
        check_may()
        plan = carry_out(plan, run_as_root)
    if json:
        print_json(plan)
    else:
        _show(plan)
    if not plan.done:
        say("nothing was changed: --yes does it")


def _show(plan: Plan) -> None:
    for step in plan.steps:
        print_line(("did: " if plan.done else "would: ") + _words(step))
    print_line(plan.stays)
    if plan.unit is not None and not plan.done:
        print_line("")
        for line in plan.unit.splitlines():
            print_line(line)


def _words(step: Step) -> str:
    if step.write is not None:
        return f"write {step.write}"
    return f"remove {step.remove}" if step.remove is not None else f"run {shlex.join(step.run)}"
