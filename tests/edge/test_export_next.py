"""What an export ends with leads on to the device."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.bundles import ALL_DRIFTS, EXITS, SPARSE, compiled
from tbft_artifacts.bundle import open_bundle
from tbft_edge.tables.export import next_command


@pytest.mark.parametrize(
    ("bundle", "choice"),
    [("feature-block", ""), (ALL_DRIFTS, " --drift auto"), (SPARSE, ""), (EXITS, " --plan …")],
)
def test_the_next_command_chooses_where_a_device_has_to_be_told(bundle: str, choice: str) -> None:
    """One plan needs no choice; what drifted, and which channels matter, the device finds out."""
    manifest = open_bundle(compiled(bundle)).manifest
    expected = f"tbft-edge train bundle.tar.gz --data …{choice} --out run"
    assert next_command(manifest, Path("bundle.tar.gz")) == expected
