"""What the paper says of its protocol, as data; it is part of the key that results are kept under."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from tbft_edge.reproduce.blocks import BLOCKS, MODULES
from tbft_edge.reproduce.protocol import Protocol, Suite, paper_protocol


@pytest.mark.parametrize("suite", ["cifar10-c", "cifar-flip", "living17", "source5", "motivation"])
def test_only_the_head_has_a_rate_of_its_own(suite: Suite) -> None:
    """Ten times that of the other blocks, which share everything else with it."""
    rates = {block: paper_protocol(suite, block).lr for block in BLOCKS}
    assert rates == {"block1": 1e-3, "block2": 1e-3, "block3": 1e-3, "fc": 1e-2, "full": 1e-3}
    assert len({msgspec.structs.replace(paper_protocol(suite, block), lr=0.0) for block in BLOCKS}) == 1
    assert paper_protocol(suite, "fc").batch_norm == "batch"
    assert paper_protocol(suite, "fc").batch_size == 128


def test_each_suite_is_trained_as_the_paper_says() -> None:
    """Table by table: optimizer, decay, epochs, patience, augmentation."""
    found = {
        suite: (p.optimizer, p.weight_decay, p.epochs, p.patience, p.augment)
        for suite in ("cifar10-c", "cifar-flip", "living17", "motivation")
        for p in [paper_protocol(suite, "block1")]
    }
    assert found == {
        "cifar10-c": ("sgd", 5e-4, 10, 5, False),
        "cifar-flip": ("sgd", 5e-4, 10, 5, False),
        "living17": ("adam", 0.0, 10, 10, False),
        "motivation": ("sgd", 5e-4, 50, 20, True),
    }
    assert paper_protocol("source5", "fc") == paper_protocol("living17", "fc")


def test_a_protocol_survives_json() -> None:
    """Results are kept beside the protocol that they belong to."""
    protocol = paper_protocol("motivation", "fc")
    assert msgspec.json.decode(msgspec.json.encode(protocol), type=Protocol) == protocol
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"optimizer": "adamw"}', type=Protocol)


def test_full_fine_tuning_alone_trains_the_last_norm() -> None:
    """The four blocks leave out what the paper leaves out."""
    inside = {module for block in BLOCKS if block != "full" for module in MODULES[block]}
    assert set(MODULES["full"]) - inside == {"bn"}


def test_a_protocol_needs_no_torch() -> None:
    """The device's engine uses it, too."""
    code = "import sys, tbft_edge.reproduce.protocol as _; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
