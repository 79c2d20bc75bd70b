"""What starts this very `tbft-edge`, in the same environment."""

from __future__ import annotations

import sys


def program() -> tuple[str, ...]:
    """The words that arguments follow. Not resolved: that Python is a link is what makes an environment of it.

    -P: else it would import what lies in the working folder, such as a stick's.
    """
    return (sys.executable, "-P", "-m", "tbft_edge")
