"""Export what is counted: `python -m benchmarks.arm.prepare NETWORK…` (default: all). Host environment.

Everything is made up from seeds; nothing has to be downloaded.
"""

from __future__ import annotations

import shutil
import sys

from safetensors.torch import save_file

from benchmarks.arm.cases import BUNDLES, CASES, Case
from benchmarks.arm.networks import CLASSES
from benchmarks.goals import DRIFTS
from benchmarks.network import settled
from benchmarks.protocol import Drift
from tbft_export import ExportOptions, export_bundle


def main(names: list[str]) -> None:
    """Write a bundle with the default plan for each drift of each network."""
    BUNDLES.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        if not names or case.network in names:
            for drift in DRIFTS:
                _export(case, drift)


def _export(case: Case, drift: Drift) -> None:
    out = case.bundle(drift)
    shutil.rmtree(out, ignore_errors=True)
    if case.network == "resnet26":
        weights = BUNDLES / f"{case.name}.safetensors"
        save_file(settled("resnet26", case.image_size), weights)
        options = ExportOptions(model=case.network, weights=weights, drift=drift, image_size=case.image_size)
    else:
        model = f"benchmarks.arm.networks:{case.network}"
        options = ExportOptions(model=model, drift=drift, image_size=case.image_size, class_count=CLASSES)
    export_bundle(options, out)


if __name__ == "__main__":
    main(sys.argv[1:])
