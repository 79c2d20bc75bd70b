"""What docstrings of public functions say, and whether their examples run."""

from __future__ import annotations

import doctest
import inspect
import re
from typing import Any

_SECTION = re.compile(r"^(Args|Returns|Yields|Raises|Example):$", re.MULTILINE)
_NAME = re.compile(r"^    (\w+): \S", re.MULTILINE)


def sections(described: Any) -> dict[str, str]:
    """The sections of a docstring by their names, in order."""
    _, *parts = _SECTION.split(inspect.getdoc(described) or "")
    return dict(zip(parts[::2], parts[1::2], strict=True))


def names_in(section: str) -> list[str]:
    """What a section describes: parameters, or errors."""
    return _NAME.findall(section)


def parameters(function: Any) -> list[str]:
    """Those that a caller gives."""
    return [name for name in inspect.signature(function).parameters if name != "self"]


def run_example(described: Any) -> str:
    """Run the example in a docstring, in the current folder; what it printed instead of what it says, or nothing."""
    found = doctest.DocTestFinder(recurse=False).find(described, name=getattr(described, "__name__", ""), globs={})
    (example,) = (test for test in found if test.examples)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    return "".join(said)
