"""What a run settles before its first step, whoever decides what it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.bundles import ALL_DRIFTS, SPARSE
from support.runs import fine_tune
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.manifest import WEIGHTS

# A run that is told what to train, one that finds out what drifted, and one that chooses channels.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "told": ("feature-frozen", {}),
    "diagnosed": (ALL_DRIFTS, {"drift": "auto"}),
    "selected": (SPARSE, {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_weights_are_read_once(way: str, tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever needs them first: a second copy would cost a small board memory, and each reading time."""
    read: list[str] = []
    load = Bundle.load_weights

    def counted(bundle: Bundle) -> dict[str, np.ndarray]:
        read.append(WEIGHTS)
        return load(bundle)

    monkeypatch.setattr(Bundle, "load_weights", counted)
    bundle, options = WAYS[way]
    for epochs in (1, 2):
        fine_tune(bundle, squares, tmp_path / "run", epochs=epochs, resume=True, **options)
        assert read == [WEIGHTS] * epochs
