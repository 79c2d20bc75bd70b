"""Write what the agent's demo needs: `python demo/agent_data.py OUT`.

`source.npz` are labelled digits like those of the training, and not the same; `stream.npz` are others, which the
camera sees.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from digits import SPLIT_SEED, source_and_field, split
from make_data import write

# Of the field part; the rest is what the camera sees.
SOURCE_IMAGES = 350


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description="Write what the agent's demo needs.")
    parser.add_argument("out", type=Path, help="folder to write to")
    out: Path = parser.parse_args().out
    parts = split(source_and_field().second, SOURCE_IMAGES, SPLIT_SEED + 5)
    write(parts.first, out / "source.npz")
    write(parts.second, out / "stream.npz")


if __name__ == "__main__":
    main()
