"""Export what is measured: `python -m benchmarks.prepare FOLDER DRIFT-POLICY-SIZE…`. Host environment.

Everything is made up from seeds; nothing has to be downloaded.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

from benchmarks.kernels import write_kernels
from benchmarks.network import settled
from benchmarks.prepared import KERNELS, SGEMM, SGEMM_SIDE
from benchmarks.protocol import BatchNorm, Drift
from tbft_export import ExportOptions, export_bundle


def main(folder: Path, names: list[str]) -> None:
    """Write the graphs of single operators, the weights for each image size, and a bundle for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(matrix_product(SGEMM_SIDE), folder / SGEMM.name)
    write_kernels(folder / KERNELS.name)
    for size in {name.split("-")[2] for name in names}:
        save_file(settled(int(size)), folder / f"resnet26-{size}.safetensors")
    for name in names:
        drift, policy, size = name.split("-")
        assert drift in get_args(Drift)
        assert policy in get_args(BatchNorm)
        shutil.rmtree(folder / name, ignore_errors=True)
        options = ExportOptions(
            model="resnet26",
            weights=folder / f"resnet26-{size}.safetensors",
            drift=drift,  # type: ignore[arg-type]
            batch_norm=policy,  # type: ignore[arg-type]
            image_size=int(size),
            official=True,  # ORT Training runs them for comparison.
        )
        export_bundle(options, folder / name)


def matrix_product(side: int) -> onnx.ModelProto:
    """(side, side) float32 times a fixed matrix, which ONNX Runtime packs once as it does the weights of a layer."""
    fixed = np.random.default_rng(1).standard_normal((side, side), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["matrix", "fixed"], ["product"])],
        "sgemm",
        [helper.make_tensor_value_info("matrix", TensorProto.FLOAT, [side, side])],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, [side, side])],
        [numpy_helper.from_array(fixed, "fixed")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"side": str(side)})
    return model


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
