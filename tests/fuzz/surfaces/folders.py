"""Bundle folders in which something else lies than files: pipes, devices, links, nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.odd_files import put_something_else


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """One of the bundle's files or folders is no longer what the manifest says."""
    bundle = folder / "bundle"
    shutil.copytree(desk.bundle(rng.choice(("feature-frozen", "output-frozen"))), bundle)
    # Manifest and folders as often as the many files.
    paths = [*sorted(bundle.rglob("*")), *[bundle / "manifest.json"] * 3]
    path = rng.choice(paths)
    what = f"{path.relative_to(bundle)} {put_something_else(path, rng)}"
    return commands.any_of_bundle(what, desk, "bundle", rng)
