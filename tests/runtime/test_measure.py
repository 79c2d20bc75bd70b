"""What is measured is the gradient graph that was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.bundles import compiled
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_runtime.measure import MeasureRequest, measure


def test_the_gradient_graph_in_the_form_that_was_asked_for(tmp_path: Path) -> None:
    """Forms compute the same: that one was taken for the other would not be seen in any loss."""
    bundle = open_bundle(compiled("full-batch"))
    assert bundle.plan().gradient_forms == ("direct",)
    request = MeasureRequest(str(bundle.folder), str(tmp_path / "weights"), steps=1, gradient_form="winograd")
    with pytest.raises(TbftError, match="lacks the gradient graph in the form winograd"):
        measure(request)
