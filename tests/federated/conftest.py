"""What needs Flower, which neither the host's nor the device's environment has: `make test-federated`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say of each test that cannot run here where it can."""
    if find_spec("flwr") is not None:
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="flwr is not installed here: make test-federated"))
