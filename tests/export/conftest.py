"""Fixtures of the compiler's tests."""

from __future__ import annotations

import pytest
import torch

from support.exports import Exporter


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Torch computes on one thread, as the device's sessions here do; other processes keep their cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exporter:
    """Exports bundles, each once per session."""
    return Exporter(tmp_path_factory.mktemp("bundles"))
