"""Export what is measured: `python -m benchmarks.prepare [--official] FOLDER NETWORK-DRIFT-POLICY-SIZE…`.

Everything is made up from seeds; nothing has to be downloaded. A bundle that is newer than everything that it is made
from stays. Host environment.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import get_args

from safetensors.torch import save_file

from benchmarks.kernels import write_kernels
from benchmarks.layers import write_layers
from benchmarks.network import build, settled
from benchmarks.prepared import KERNELS, ROOT, layers_file
from benchmarks.protocol import BatchNorm, Drift, Network
from benchmarks.traced import traced
from tbft_artifacts.bundle import open_bundle
from tbft_export import ExportOptions, export_bundle

_MODELS = {"resnet26": "resnet26", "efficientnet_lite0": "efficientnet-lite0"}


def main() -> None:
    """Write the graphs of single operators, weights and layers of each network, and a bundle for each name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--official", action="store_true", help="with the artifacts that ORT Training runs")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    write_kernels(folder / KERNELS.name)
    settled_networks: set[tuple[Network, int]] = set()
    for name in options.names:
        network, drift, policy, size = _parts(name)
        weights = folder / f"{network}-{size}.safetensors"
        if _is_up_to_date(folder / name, official=options.official):
            continue
        if (network, size) not in settled_networks:
            save_file(settled(network, size), weights)
            write_layers(traced(build(network, size)), folder / layers_file(network, size))
            settled_networks.add((network, size))
        shutil.rmtree(folder / name, ignore_errors=True)
        asked = ExportOptions(
            model=_MODELS.get(network, f"benchmarks.imagenet_networks:{network}"),
            weights=weights,
            drift=drift,
            batch_norm=policy,
            image_size=size,
            official=options.official,
        )
        export_bundle(asked, folder / name)


def _parts(name: str) -> tuple[Network, Drift, BatchNorm, int]:
    network, drift, policy, size = name.split("-")
    assert network in get_args(Network)
    assert drift in get_args(Drift)
    assert policy in get_args(BatchNorm)
    return network, drift, policy, int(size)  # type: ignore[return-value]


def _is_up_to_date(bundle: Path, *, official: bool) -> bool:
    manifest = bundle / "manifest.json"
    if not manifest.exists():
        return False
    sources = (
        path
        for folder in ("artifacts", "export", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        if folder != "benchmarks" or path.stem in ("imagenet_networks", "network", "traced", "layers")
    )
    if max(path.stat().st_mtime for path in sources) >= manifest.stat().st_mtime:
        return False
    opened = open_bundle(bundle)
    return not official or opened.path(opened.plan().ort_training).exists()


if __name__ == "__main__":
    main()
