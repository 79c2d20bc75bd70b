"""The collection holds to what its users' tools ask of one."""

from __future__ import annotations

import subprocess

from support.boards import ANSIBLE
from support.commands import surroundings
from support.pushing import Bed


def test_it_passes_the_strictest_profile(bed: Bed) -> None:
    """ansible-lint's `production`, without a warning."""
    collections = bed.boards.folder / "collections"
    told = {"ANSIBLE_COLLECTIONS_PATH": str(collections), "NO_COLOR": "1", "PATH": f"{ANSIBLE}:/usr/bin:/bin"}
    done = subprocess.run(
        [ANSIBLE / "ansible-lint", "--offline", "--strict", "--profile", "production"],
        cwd=collections / "ansible_collections" / "tbft" / "edge",
        env=surroundings(told),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
