"""One bundle whose channels a device chooses, and the network that it was made from."""

from __future__ import annotations

import pytest
from torch import nn

from support.every_convolution import IMAGE_SIZE, every_convolution
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_export import ExportOptions, export_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Channels of every kind of convolution may be chosen; no activation has a kink."""
    folder = tmp_path_factory.mktemp("sparse") / "bundle"
    model = "support.every_convolution:every_convolution"
    export_bundle(ExportOptions(model, method="tinytrain", image_size=IMAGE_SIZE), folder)
    return open_bundle(folder)


@pytest.fixture(scope="session")
def net() -> nn.Module:
    return every_convolution()
