"""A command of the device that refuses, and leaves on a desk what lay there."""

from __future__ import annotations

from pathlib import Path

from support.commands import DEVICE, Refusal, refused, run
from support.files import listing


def refused_here(desk: Path, *arguments: str | Path) -> Refusal:
    """The error of a command on the device; `desk` holds afterwards what it held before, and nothing else."""
    before = listing(desk)
    refusal = refused(run(DEVICE, *arguments))
    assert listing(desk) == before
    return refusal
