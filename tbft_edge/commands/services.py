"""What installing a service would do is shown; it is done when somebody says so."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from tbft_edge.console import print_json, print_line, say

if TYPE_CHECKING:
    from tbft_runtime.systemd.steps import Plan, Step

YesOption = Annotated[bool, typer.Option("--yes", help="Do it; without this nothing is changed.")]


def carry_out_if(yes: bool, plan: Plan, json: bool, otherwise: str) -> None:
    """Show `plan`, or do it, as root; `otherwise` is what to do where systemd does not run the machine."""
    from tbft_runtime.systemd.steps import carry_out, check_may, run_as_root

    if yes:
        check_may(otherwise)
        plan = carry_out(plan, run_as_root)
    if json:
        print_json(plan)
    else:
        _show(plan)
    if plan.steps and not plan.done:
        say("nothing was changed: --yes does it")


def _show(plan: Plan) -> None:
    if not plan.steps:
        print_line("nothing has to be done: it is installed so already, and runs")
    for step in plan.steps:
        print_line(("did: " if plan.done else "would: ") + _words(step))
    print_line(plan.stays)
    texts = [step.text for step in plan.steps if step.text is not None and not plan.done]
    for text in texts:
        print_line("")
        for line in text.splitlines():
            print_line(line)


def _words(step: Step) -> str:
    if step.write is not None:
        return f"write {step.write}"
    return f"remove {step.remove}" if step.remove is not None else f"run {shlex.join(step.run)}"
