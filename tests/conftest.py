"""Settings that every test shares."""

from __future__ import annotations

from hypothesis import settings

# No deadline: a slow machine is no defect. The same examples in every run: a red one can be repeated.
settings.register_profile("tbft-edge", deadline=None, derandomize=True)
settings.load_profile("tbft-edge")
