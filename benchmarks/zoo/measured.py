"""`tbft-edge export` in this process, and what it took: `python -m benchmarks.zoo.measured USAGE.json OPTIONS…`."""

from __future__ import annotations

import atexit
import json
import resource
import sys
from pathlib import Path

from tbft_edge.main import main


def _note(path: Path) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    taken = {"processor_seconds": usage.ru_utime + usage.ru_stime, "peak_bytes": 1024 * usage.ru_maxrss}
    path.write_text(json.dumps(taken), encoding="utf-8")


if __name__ == "__main__":
    atexit.register(_note, Path(sys.argv[1]))
    sys.argv = ["tbft-edge", "export", *sys.argv[2:]]
    main()
