"""Words from below the command, which name an option as Python does: here as its flag.

Compiler and runtime speak to users of the Python packages, too: "`val_fraction` 1.5 is not between 0 and 1". Whoever
runs a command reads "--val-fraction 1.5 is not between 0 and 1".
"""

from __future__ import annotations

import re

import click

# A name of a file or class stands between quotes, and holds what it likes: a quote is the last one only where words
# can go on behind it.
_END = r"(?=[\s)\].,;:!?]|$)"
_QUOTED = rf"(?<![\w'])'(?:[^'\n]|'(?!{_END}))*'{_END}"
_NAMED = re.compile(rf"{_QUOTED}|`([a-z_]+)`")


def with_flags(text: str) -> str:
    """`text` with the flag of each option that it names in backticks; where no command runs, as it is."""
    return _NAMED.sub(lambda found: _flag(found) if found[1] else found[0], text)


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
