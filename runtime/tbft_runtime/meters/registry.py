"""All meters, and how one is chosen by name."""

from __future__ import annotations

from tbft_runtime.meters.meter import MeterKind

# In the order in which `--meter auto` tries them. A new meter is a file and a line here.
METERS: tuple[MeterKind, ...] = ()
