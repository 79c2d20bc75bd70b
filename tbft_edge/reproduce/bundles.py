"""The bundles that the device engine trains: one export per network, optimizer and batch-norm policy."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import msgspec

from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.plan import BatchNormPolicy, OptimizerKind, Plan
from tbft_edge.reproduce.blocks import MODULES, PaperBlock
from tbft_edge.reproduce.case import Network
from tbft_edge.reproduce.protocol import Protocol
from tbft_edge.reproduce.trial import Recipe


class _Wanted(msgspec.Struct, frozen=True):
    """What decides the bytes of a bundle."""

    weights: str
    image_size: int
    batch_norm: BatchNormPolicy | None
    whole: bool
    """Whether batch statistics are those of whole batches, as PyTorch's are; else of what the exporter thinks best."""
    optimizer: OptimizerKind
    version: str


@dataclass(frozen=True)
class Bundles:
    """Bundles with plans for all drifts, exported when they are first asked for and kept in `folder`."""

    folder: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def bundle(self, network: Network, recipe: Recipe, protocol: Protocol | None) -> Bundle:
        """The bundle that `recipe` trains; of the paper's, the optimizer is that of `protocol`."""
        optimizer: OptimizerKind = "sgd" if protocol is None else protocol.optimizer
        wanted = _Wanted(
            weights=network.digest,
            image_size=network.image_size,
            batch_norm=_policy(recipe, protocol),
            whole=protocol is not None,
            optimizer=optimizer,
            version=version("tbft-edge"),
        )
        name = hashlib.sha256(msgspec.json.encode(wanted)).hexdigest()[:16]
        with self._lock:
            path = self.folder / name
            if not path.exists():
                _export(network, wanted, path)
        return open_bundle(path)


def plan_for(bundle: Bundle, block: PaperBlock) -> Plan:
    """The plan of a bundle for all drifts that trains `block`."""
    return next(plan for plan in bundle.manifest.plans if set(plan.blocks) == set(MODULES[block]))


def _policy(recipe: Recipe, protocol: Protocol | None) -> BatchNormPolicy | None:
    """What the bundle is compiled for; None leaves it to the exporter. Adapted statistics are fixed in training."""
    if protocol is not None:
        return "frozen" if protocol.batch_norm == "adapt" else protocol.batch_norm
    match recipe:
        case "frozen" | "adapt":
            return "frozen"
        case "batch":
            return "batch"
        case _:
            return None


def _export(network: Network, wanted: _Wanted, path: Path) -> None:
    from tbft_export import ExportOptions, export_bundle

    options = ExportOptions(
        model="resnet26",
        drift="all",
        weights=network.weights,
        image_size=network.image_size,
        batch_norm=wanted.batch_norm,
        batch_norm_part="whole" if wanted.whole and wanted.batch_norm != "frozen" else None,
        optimizer=wanted.optimizer,
    )
    export_bundle(options, path)
