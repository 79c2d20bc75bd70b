"""What a norm with batch statistics takes out again has no gradient: two roundings of nothing are not compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from support import common_nets
from support.refusals import refusal
from tbft_artifacts.names import GRADIENT_SUFFIX
from tbft_artifacts.plan import BatchNormPolicy
from tbft_export import ExportOptions, export_bundle
from tbft_export.check import compiled
from tbft_export.graph.sessions import Session

WAYS: tuple[dict[str, object], ...] = (
    {"drift": "input"},
    {"drift": "feature"},
    {"drift": "full"},
    {"method": "bn-only"},
    {"method": "bias-only", "batch_norm": "batch"},
)


def options_of(net: str, **changes: object) -> ExportOptions:
    return replace(ExportOptions(f"support.common_nets:{net}", image_size=32), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("net", ["residual", "inception", "depthwise", "on_the_way"])
def test_biases_ahead_of_norms_are_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, net: str, seed: int, way: dict[str, object]
) -> None:
    """PyTorch's default bias, whatever stands between it and the norm, and by whatever ways it gets there."""
    monkeypatch.setattr(getattr(common_nets, net), "seed", seed)
    assert all(check.passed for check in export_bundle(options_of(net, **way), tmp_path / "bundle").checks)


@pytest.mark.parametrize(
    ("policy", "zero"),
    [("batch", ("0.0.bias", "1.0.body.0.bias", "1.0.body.3.bias")), ("frozen", ())],
    ids=["batch", "frozen"],
)
def test_they_are_told_from_those_that_count(tmp_path: Path, policy: BatchNormPolicy, zero: tuple[str, ...]) -> None:
    """The bias of the shortcut is not taken out again: behind the sum is a ReLU."""
    options = options_of("residual", drift="input", batch_norm=policy)
    (check,) = export_bundle(options, tmp_path / "bundle").checks
    assert check.zero_gradients == zero


@pytest.mark.parametrize(
    ("name", "factor", "offset"),
    [
        ("1.0.body.0.weight", 1.3, 0.0),
        ("1.0.body.1.weight", 1.3, 0.0),
        ("1.0.short.bias", 1.3, 0.0),
        ("0.0.bias", 1.0, 1e-3),
        ("1.0.body.3.bias", 1.0, 1e-3),
    ],
)
def test_a_wrong_gradient_among_them_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, factor: float, offset: float
) -> None:
    """One that counts is compared with PyTorch's, and one that cancels out has to be small beside the largest."""

    class Wrong(Session):
        def outputs(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            found = super().outputs(feeds)
            gradients = [output for output in found if output.endswith(GRADIENT_SUFFIX)]
            largest = max((float(np.abs(found[each]).max()) for each in gradients), default=0.0)
            changed = f"{name}{GRADIENT_SUFFIX}"
            if changed in found:
                found[changed] = factor * found[changed] + np.float32(offset * largest)
            return found

    monkeypatch.setattr(compiled, "Session", Wrong)
    error = refusal(options_of("residual", drift="input"), tmp_path)
    assert f"the gradient of '{name}'" in error.message
    assert "times what float32 may lose" in error.message
