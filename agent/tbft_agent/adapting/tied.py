"""`python -m tbft_agent.adapting.tied PARENT MODULE WORDS`: a module that ends with the agent, even a killed one.

What a killed agent left behind would train on, beside whatever the next agent begins, and write into its folder.
"""

from __future__ import annotations

import runpy
import sys

from tbft_artifacts.tied import tie_to


def main() -> None:
    """Become the module."""
    if tie_to(int(sys.argv.pop(1))):
        runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
