"""What a metrics file says, read as Prometheus reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families


def samples(path: Path) -> dict[str, tuple[dict[str, str], float]]:
    """Labels and value of each sample, as Prometheus' own parser reads them."""
    families = text_string_to_metric_families(path.read_text(encoding="utf-8"))
    return {sample.name: (sample.labels, sample.value) for family in families for sample in family.samples}


def values(path: Path) -> dict[str, float]:
    return {name.removeprefix("tbft_edge_"): value for name, (_, value) in samples(path).items()}


def unheard(text: str) -> None:
    pytest.fail(f"a note: {text}")
