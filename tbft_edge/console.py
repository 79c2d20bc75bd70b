"""What people see: tables on stdout, words and progress bars on stderr."""

from __future__ import annotations

import importlib
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from tbft_artifacts.errors import TbftError

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
# Wide enough that tables do not wrap where no terminal says its width.
PIPED_WIDTH = 120

# The package behind each extra.
# As people write them: MB is a million, and a bare letter is what container tools mean by it.
_MEMORY_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "k": 1 << 10,
    "m": 1 << 20,
    "g": 1 << 30,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}
_HALVES = {
    "device": ("tbft_runtime.training_run", "tbft_runtime.inference", "tbft_runtime.finalization"),
    "export": ("tbft_export",),
}

ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Threads to compute with; all cores by default.")]


def print_json(value: Any) -> None:
    """Write a msgspec struct, or plain data, as indented JSON on stdout."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def say(text: str) -> None:
    """A line of words on stderr."""
    sys.stderr.write(text + "\n")


def output_width() -> int:
    """Columns that fit on stdout."""
    from rich.console import Console

    console = Console()
    return console.width if console.is_terminal else PIPED_WIDTH


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> None:
    """A titled table on stdout; with `numbers` all columns but the first are aligned to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if numbers and index else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(markup=False, emoji=False, highlight=False, width=output_width())
    console.print(f"\n{title}\n", soft_wrap=True)
    console.print(table)


def percent(fraction: float | None) -> str:
    """A fraction as per cent, or a dash."""
    return "–" if fraction is None else f"{fraction:.1%}"


def size(count: float) -> str:
    """Bytes in a readable unit (1 kB = 1000 bytes)."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def memory_size(text: str, option: str) -> int:
    """Bytes of an amount such as 256MB (million), 512m (1024 * 1024) or 1g. Raises TbftError if it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)", text.strip())
    unit = found[2].lower() if found else "?"
    if found is None or unit not in _MEMORY_UNITS or not float(found[1]):
        raise TbftError(f"{option} '{text}' is no amount of memory", f"for example {option} 256MB or {option} 1g")
    return int(float(found[1]) * _MEMORY_UNITS[unit])


def part_of_whole(text: str, option: str) -> float:
    """A fraction such as 15% or 0.15, above 0 and up to 1. Raises TbftError if it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", text.strip())
    part = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if not 0 < part <= 1:
        raise TbftError(f"{option} '{text}' is no part of a whole", f"for example {option} 15%")
    return part


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import the half of the product that the extra `name` brings; a missing package becomes a hint at it."""
    try:
        for module in _HALVES[name]:
            _import_whole(module)
        yield
    except ModuleNotFoundError as error:
        raise TbftError(
            f"package '{error.name}' is not installed here",
            f"install it with: pip install 'tbft-edge[{name}]', in an environment of its own",
        ) from error


def _import_whole(module: str) -> None:
    """Import with Ctrl-C held back until the end: C extensions swallow it, or fail with errors of their own."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        importlib.import_module(module)
        return
    pressed = []
    signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        importlib.import_module(module)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed:
        raise KeyboardInterrupt
