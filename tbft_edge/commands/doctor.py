"""`tbft-edge doctor`: is this board fit to train?"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from tbft_edge.commands.options import ExpectIdOption, JsonOption
from tbft_edge.console import print_json, print_line
from tbft_edge.flags import with_flags

UNFIT_EXIT_CODE = 1


def command(
    bundle: Annotated[
        Path | None, typer.Argument(help="A bundle: memory and disk are held against what it needs.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where a run would go; its disk is looked at. Default: the working folder.")
    ] = None,
    expect_id: ExpectIdOption = None,
    json: JsonOption = False,
) -> None:
    """Check the board: CPU, Python, ONNX Runtime, memory, disk, temperature, throttling, meters, telemetry.

    Exit code 0 if it is fit to train, 1 if a check says no.
    """
    # Not with the whole device half: a wheel for another CPU would end this process, too.
    with contextlib.ExitStack() as stack:
        from msgspec.structs import replace

        from tbft_artifacts.archive import opened
        from tbft_runtime.doctor import examine

        found = examine(stack.enter_context(opened(bundle, expect_id)) if bundle else None, out)
        checks = [replace(check, text=with_flags(check.text), hint=with_flags(check.hint)) for check in found]
    if json:
        print_json(checks)
    else:
        signs = {True: "✓", False: "✗", None: "·"}
        for check in checks:
            hint = f" (hint: {check.hint})" if check.hint else ""
            print_line(f"{signs[check.ok]} {check.name}: {check.text}{hint}")
    if any(check.ok is False for check in checks):
        raise typer.Exit(UNFIT_EXIT_CODE)
