"""What other packages bring: meters and methods, found by their entry points and loaded only when they are used."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from tbft_artifacts.errors import TbftError, one_line

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

# Their entry points stand in the groups tbft_edge.meters and tbft_edge.methods.
PluginKind = Literal["meter", "method"]

# A name is typed on command lines, where a colon ends it, and becomes part of names of folders.
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_FILE = "entry_points.txt"
_LONGEST_REASON = 300


@dataclass(frozen=True)
class Plugin:
    """A meter or method of another package, not loaded yet.

    `package` and `version` are those that pip knows. `fault` is why it cannot be used, where that is plain already.
    """

    kind: PluginKind
    name: str
    package: str
    version: str
    entry: EntryPoint | None
    fault: str | None = None

    @property
    def origin(self) -> str:
        """Where it is from, for people."""
        return f"{self.package} {self.version}".strip()

    def load(self) -> Any:
        """Import what the entry point names. Raises PluginError, whatever the package does meanwhile.

        A package that prints as it is imported is refused, too: stdout is for data alone.
        """
        if self.entry is None or self.fault is not None:
            raise PluginError(self, self.fault or "it names nothing to import")
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                loaded = self.entry.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # Also SystemExit: the code of others may raise anything.
            raise PluginError(self, describe(error)) from error
        if words := printed.getvalue().strip():
            raise PluginError(self, f"it prints when it is imported: {_shortened(words)!r}")
        return loaded

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Run code of the package: what it raises becomes a PluginError, and what it prints goes to stderr.

        A TbftError is meant for the user, and stays what it is.
        """
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        except (TbftError, KeyboardInterrupt):
            raise
        except BaseException as error:  # As above.
            raise PluginError(self, describe(error)) from error


class PluginError(TbftError):
    """A meter or method of another package cannot be used; `reason` says why, without naming it."""

    def __init__(self, plugin: Plugin, reason: str) -> None:
        super().__init__(
            f"the {plugin.kind} '{plugin.name}' of {plugin.origin} cannot be used: {reason}",
            f"update or uninstall {plugin.package}",
        )
        self.reason = one_line(reason)


def find_plugins(kind: PluginKind, built_in: Collection[str]) -> list[Plugin]:
    """All of a kind that are installed, by name, without importing any. Those whose name cannot be used have a fault.

    `built_in` are names that nobody else can have.
    """
    found = list(_declared(kind))
    judged = (replace(plugin, fault=plugin.fault or _fault(plugin, found, built_in)) for plugin in found)
    return sorted(judged, key=lambda plugin: (plugin.name, plugin.package))


def find_plugin(kind: PluginKind, name: str, built_in: Collection[str]) -> Plugin | None:
    """The one of that name, perhaps with a fault; None if no package brings it."""
    return next((plugin for plugin in find_plugins(kind, built_in) if plugin.name == name), None)


def plugin_names(kind: PluginKind, built_in: Collection[str]) -> list[str]:
    """The names of those without a fault."""
    return [plugin.name for plugin in find_plugins(kind, built_in) if plugin.fault is None]


def describe(error: BaseException) -> str:
    """An error of someone else's code, in a line."""
    words = _shortened(f"{type(error).__name__}: {error}").rstrip(": ")
    # A name in backticks is an option of ours, and of nobody else.
    return re.sub(r"`(\w+)`", r"'\1'", words)


def _declared(kind: PluginKind) -> Iterator[Plugin]:
    """What the entry points of all packages say. One whose list cannot be read is told of, and hides nothing of others.

    Of a package that is there twice the first one counts, whose code is imported.
    """
    # Here, since most commands never ask, and loading it takes a Pi a tenth of a second.
    from importlib.metadata import distributions

    group = f"tbft_edge.{kind}s"
    seen: set[str] = set()
    for distribution in distributions():
        if group not in _read(distribution):
            continue
        package = one_line(distribution.name or "an unnamed package")
        version = one_line(distribution.version or "")
        if package in seen:
            continue
        seen.add(package)
        try:
            entries = list(distribution.entry_points.select(group=group))
        except Exception:  # A line without "=" is a TypeError, or a ValueError, by the version of Python.
            yield Plugin(kind, "?", package, version, None, f"its {_FILE} cannot be read")
            continue
        for entry in entries:
            yield Plugin(kind, one_line(entry.name), package, version, entry)


def _read(distribution: Distribution) -> str:
    """The list of a package's entry points; nothing where it has none."""
    try:
        return distribution.read_text(_FILE) or ""
    except (OSError, UnicodeDecodeError):
        return ""


def _fault(plugin: Plugin, found: Sequence[Plugin], built_in: Collection[str]) -> str | None:
    """Why its name cannot be used."""
    if plugin.name in built_in:
        return f"tbft-edge itself has a {plugin.kind} of this name"
    if not re.fullmatch(NAME_PATTERN, plugin.name):
        return "its name may hold letters, digits, '.', '_' and '-' only"
    # Neither of two: else the order of folders would decide.
    rival = next((other for other in found if other.name == plugin.name and other is not plugin), None)
    return None if rival is None else f"{rival.origin} has a {plugin.kind} of this name, too"


def _shortened(text: str) -> str:
    return textwrap.shorten(one_line(text), _LONGEST_REASON, placeholder=" …")
