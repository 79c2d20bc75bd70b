"""Commands that begin another Python have it import what is installed, and nothing from where they were called."""

from __future__ import annotations

import re

from e2e.test_rooms import PACKAGES

# Words of a command: Python of this environment or another one, and then a module.
_MODULE = re.compile(r"(?:sys\.executable|self\.python),\s*(\*?[^,\s]+)")


def test_no_process_imports_from_the_working_folder() -> None:
    """`python -m` puts it first, and a folder that was downloaded, or a stick, may hold a `json.py`."""
    found = [
        (path.name, word)
        for folder in PACKAGES.values()
        for path in folder.rglob("*.py")
        for word in _MODULE.findall(path.read_text())
    ]
    assert len(found) > 8
    assert [(name, word) for name, word in found if word != '"-P"'] == []
