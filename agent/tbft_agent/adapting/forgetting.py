"""`… tied PARENT tbft_agent.adapting.forgetting RUN MOST [ID]`: what a run forgot, and if that is too much, less of it.

MOST is the part (0 to 1) that it may lose, and ID the bundle's, where somebody said which it has to be.
"""

from __future__ import annotations

import sys

import msgspec

from tbft_artifacts.errors import NO_MEMORY, TbftError
from tbft_runtime.going_back import go_back


def main() -> int:
    """Print as JSON, below `forgotten`, what `go_back` found; the exit code."""
    run, most, *expected = sys.argv[1:]
    try:
        found = go_back(run, float(most), expect_id=expected[0] if expected else None)
    except MemoryError:
        return _failed(NO_MEMORY, "give more `adapt.memory`")
    except TbftError as error:
        return _failed(error.message, error.hint)
    except OSError as error:
        return _failed(str(error), "free some space")
    sys.stdout.write(msgspec.json.encode({"forgotten": found}).decode())
    return 0


def _failed(message: str, hint: str) -> int:
    """As `tbft-edge` says it."""
    sys.stderr.write(f"error: {message}\nhint: {hint}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
