"""All meters, and how one is chosen by name.

Those of other packages are looked for only where a name is none of ours, and by the survey. "auto" takes none of
them: installing a package does not change where the joules of a run come from, and no foreign code runs unasked.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plugins import Plugin, PluginError, find_plugin, find_plugins, plugin_names
from tbft_runtime.board.access import Board
from tbft_runtime.meters.foreign import load_kind
from tbft_runtime.meters.meter import AUTOMATIC, NO_METER, Meter, MeterKind, UnavailableError

# In the order in which "auto" tries them. A new meter is a file in this folder with a KIND, and its line here.
_FILES = (
    "pmic",
    "hwmon",
    "rapl",
    "estimate",
    "csv_file",
    "line",
)


def _kind(file: str) -> MeterKind:
    kind: MeterKind = importlib.import_module(f"tbft_runtime.meters.{file}").KIND
    return kind


METERS: tuple[MeterKind, ...] = tuple(_kind(file) for file in _FILES)
# A report keeps it, for whoever reads it with whatever: the words stay those that earlier ones have.
SWITCHED_OFF = "switched off with --meter none"


@dataclass(frozen=True)
class MeterChoice:
    """The meter of a run; without one, `why` says in a line why there is none."""

    meter: Meter | None
    why: str | None


@dataclass(frozen=True)
class Finding:
    """What there is of a kind on a board: the meter, or why there is none and what would help.

    `origin` is the package that brings it, with its version; empty for those that are built in.
    """

    name: str
    meter: Meter | None
    why: str = ""
    hint: str = ""
    origin: str = ""


def choose(name: str, board: Board) -> MeterChoice:
    """The meter of that name: auto, none, NAME or NAME:ARGUMENT.

    Raises UnavailableError if a meter that was named is not there, and TbftError if there is no such name.
    """
    if name == NO_METER:
        return MeterChoice(None, SWITCHED_OFF)
    if name == AUTOMATIC:
        return _first(board)
    kind, argument = _parse(name)
    return MeterChoice(kind.find(board, argument), None)


def check_name(name: str) -> None:
    """Raises TbftError where `choose` knows no such meter, on whichever board; whether it is there nobody looks."""
    if name not in (NO_METER, AUTOMATIC):
        _parse(name)


def survey(board: Board) -> list[Finding]:
    """Every kind, found or why not; those that must be told where to look are not looked for.

    First those that are built in, in the order of `auto`, then those of other packages, by name.
    """
    foreign = find_plugins("meter", _built_in())
    return [*(_look(kind, board) for kind in METERS), *(_look_at(plugin, board) for plugin in foreign)]


def usage() -> str:
    """What `choose` takes, in a line."""
    return ", ".join([AUTOMATIC, NO_METER, *(_form(kind) for kind in METERS), *plugin_names("meter", _built_in())])


def _built_in() -> frozenset[str]:
    """Names that no other package can have."""
    return frozenset((AUTOMATIC, NO_METER, *(kind.name for kind in METERS)))


def _first(board: Board) -> MeterChoice:
    tried = [kind for kind in METERS if kind.automatic]
    for kind in tried:
        finding = _look(kind, board)
        if finding.meter is not None:
            return MeterChoice(finding.meter, None)
    names = ", ".join(kind.name for kind in tried)
    return MeterChoice(None, f"there is no meter of {names} here; 'tbft-edge doctor' says why")


def _look(kind: MeterKind, board: Board) -> Finding:
    if kind.needs_argument:
        return Finding(kind.name, None, f"taken when it is named: `meter` {_form(kind)}")
    try:
        return Finding(kind.name, kind.find(board, None))
    except UnavailableError as error:
        return Finding(kind.name, None, error.message, error.hint)


def _look_at(plugin: Plugin, board: Board) -> Finding:
    """The same for the meter of another package; one that cannot be used hides no other."""
    try:
        return replace(_look(load_kind(plugin), board), origin=plugin.origin)
    except TbftError as error:
        why = f"cannot be used: {error.reason}" if isinstance(error, PluginError) else error.message
        return Finding(plugin.name, None, why, error.hint, plugin.origin)


def _parse(name: str) -> tuple[MeterKind, str | None]:
    wanted, _, argument = name.partition(":")
    kind = next((kind for kind in METERS if kind.name == wanted), None) or _foreign(wanted)
    if kind is None:
        raise TbftError(f"there is no meter {wanted!r}", f"`meter` takes {usage()}")
    if argument and kind.argument is None:
        raise TbftError(f"the meter {kind.name} takes nothing behind a colon", f"use `meter` {kind.name}")
    if kind.needs_argument and not argument:
        raise TbftError(f"the meter {kind.name} must be told where to look", f"use `meter` {_form(kind)}")
    return kind, argument or None


def _foreign(name: str) -> MeterKind | None:
    """The kind of that name that another package brings. Raises PluginError if it cannot be used."""
    plugin = find_plugin("meter", name, _built_in())
    return None if plugin is None else load_kind(plugin)


def _form(kind: MeterKind) -> str:
    if kind.argument is None:
        return kind.name
    return f"{kind.name}:{kind.argument}" if kind.needs_argument else f"{kind.name}[:{kind.argument}]"
