"""What programs say that torture the agent."""

from __future__ import annotations

import sys

from support.bundles import COMPILED


def say(line: str) -> None:
    """At once, whoever reads."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def has_bundles() -> bool:
    """Whether there are bundles to start from; says so if not."""
    if not COMPILED.is_dir():
        say("the bundles to start from are missing: run 'make build/test-bundles/.made'")
    return COMPILED.is_dir()
