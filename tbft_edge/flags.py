"""Words from below the command, which name an option as Python does: here as its flag.

Compiler and runtime speak to users of the Python packages, too: "`val_fraction` 1.5 is not between 0 and 1". Whoever
runs a command reads "--val-fraction 1.5 is not between 0 and 1".
"""

from __future__ import annotations

import re

import click

_NAMED = re.compile(r"`([a-z_]+)`")


def with_flags(text: str) -> str:
    """`text` with the flag of each option that it names in backticks; where no command runs, as it is."""
    return _NAMED.sub(_flag, text)


def flags(command: click.Command) -> dict[str, str]:
    """The long flag of each option of a command and of those below it, by the option's name in Python.

    An option has the same flag wherever it is found (`tests/edge/test_flags.py`).
    """
    found = {
        parameter.name: next(flag for flag in parameter.opts if flag.startswith("--"))
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name
    }
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return {name: flag for each in below for name, flag in flags(each).items()} | found


def _flag(named: re.Match[str]) -> str:
    context = click.get_current_context(silent=True)
    known = {} if context is None else flags(context.find_root().command)
    return known.get(named[1], named[0])
