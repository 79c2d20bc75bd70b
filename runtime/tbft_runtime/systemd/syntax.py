"""Units as systemd reads them, and words in them (systemd.syntax(7), "Quoting"; systemd.unit(5), "Specifiers")."""

from __future__ import annotations

import re

from tbft_artifacts.errors import TbftError
from tbft_artifacts.words import as_line, clean

_PLAIN = re.compile(r"[\w/.,+=@:-]+", re.ASCII)


def word(text: str) -> str:
    """`text` as one word of a setting.

    Raises TbftError for what no line of a unit should hold: it would end the line, or hide in it.
    """
    if not text or clean(text) != text:
        raise TbftError(f"'{as_line(text)}' cannot stand in a unit of systemd", "rename it: no control characters")
    doubled = text.replace("%", "%%")
    if _PLAIN.fullmatch(doubled.replace("%", "")):
        return doubled
    escaped = doubled.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def settings(**values: str | list[str]) -> list[str]:
    """Lines of a section; a setting that is a list stands once for each of its items."""
    return [
        f"{name}={each}" for name, value in values.items() for each in ([value] if isinstance(value, str) else value)
    ]


def begun_with(fingerprint: str) -> str:
    """The comment by which a unit is another one, and its service begins anew, where what it reads then is other."""
    return f"# Of a program and a configuration with the fingerprint {fingerprint}"


def unit(sections: dict[str, list[str]]) -> str:
    """The text of a unit's file, of its sections by their names."""
    return "\n".join("\n".join((f"[{name}]", *lines, "")) for name, lines in sections.items())
