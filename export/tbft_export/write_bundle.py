"""Compiled graphs and weights -> the files of a bundle."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
import onnx_ir as ir
from safetensors.numpy import save_file

from tbft_artifacts.bundle import file_entry
from tbft_artifacts.kept import kept_file
from tbft_artifacts.manifest import MANIFEST, STATISTICS, WEIGHTS, Manifest
from tbft_artifacts.plan import PREDICT
from tbft_artifacts.rights import by_umask
from tbft_artifacts.tensor_ranges import tensor_ranges
from tbft_export.compile.request import CompiledPlan
from tbft_export.graph.forward import ForwardModel
from tbft_export.pipeline import check_standard


def write_weights(folder: Path, *networks: ForwardModel) -> None:
    """Write every weight once, by name, as float32; those that `networks` share are the same."""
    tensors = {name: _float32(forward.tensor(name)) for forward in networks for name in forward.weights}
    save_file(dict(sorted(tensors.items())), folder / WEIGHTS)
    by_umask(folder / WEIGHTS)  # safetensors makes it private to the user.


def write_models(forward: ForwardModel, statistics: ir.Model | None, folder: Path) -> None:
    """Write `predict.onnx` and, for a model with batch norms, `statistics.onnx`."""
    write_graph(forward.model, folder, PREDICT)
    if statistics is not None:
        write_graph(statistics, folder, STATISTICS)


def write_plan(compiled: CompiledPlan, folder: Path) -> None:
    """Write the graphs of a plan."""
    plan = compiled.plan
    folder.joinpath(plan.file("")).mkdir(parents=True)
    for form, prefix in compiled.prefixes.items():
        write_graph(prefix, folder, plan.prefix_in(form))
    write_graph(compiled.suffix, folder, plan.suffix)
    for form, gradient in compiled.gradients.items():
        write_graph(gradient, folder, plan.gradient_in(form))
    if compiled.targets is not None:
        write_graph(compiled.targets, folder, plan.targets)
    write_graph(compiled.update, folder, plan.update)
    for number, stage in enumerate(compiled.stages):
        write_graph(stage, folder, plan.stage(number))
    if compiled.predict is not None:
        write_graph(compiled.predict, folder, plan.predict)
    if compiled.fisher is not None:
        write_graph(compiled.fisher, folder, plan.fisher)


def write_manifest(manifest: Manifest, folder: Path) -> Manifest:
    """Hash every file, fill in the bundle's id, and write the manifest. Returns it as written."""
    files = {
        path.relative_to(folder).as_posix(): file_entry(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    complete = msgspec.structs.replace(manifest, files=files).with_id()
    (folder / MANIFEST).write_bytes(complete.encoded())
    return complete


def bundle_bytes(manifest: Manifest) -> dict[str, int]:
    """Bytes of the bundle by part: weights, device graphs, kept images, official artifacts."""
    official = official_files(manifest)
    sizes = {name: entry.bytes for name, entry in manifest.files.items()}
    return {
        "weights": sizes[WEIGHTS],
        "graphs": sum(size for name, size in sizes.items() if name.endswith(".onnx") and name not in official),
        "kept": sum(sizes[kept_file(plan)] for plan in manifest.plans if plan.kept),
        "ort_training": sum(sizes[name] for name in official),
    }


def official_files(manifest: Manifest) -> list[str]:
    """The files of the bundle that are ONNX Runtime Training's own artifacts."""
    folders = tuple(f"{plan.ort_training}/" for plan in manifest.plans)
    return [name for name in manifest.files if name.startswith(folders)]


def write_graph(model: ir.Model, folder: Path, name: str) -> None:
    """Write `model` with its weights as references into the one weights file.

    Raises TbftError for one with an operator that devices refuse.
    """
    check_standard(model)
    model.producer_name = "tbft-edge"
    with (folder / WEIGHTS).open("rb") as file:
        ranges = tensor_ranges(file)
    shared = [value for value in model.graph.initializers.values() if value.name in ranges]
    tensors = [value.const_value for value in shared]
    try:
        for value in shared:
            value.const_value = _external(value, ranges[value.name or ""], folder)
        ir.save(model, folder / name)
    finally:
        for value, tensor in zip(shared, tensors, strict=True):
            value.const_value = tensor


def _external(value: ir.Value, span: tuple[int, int], folder: Path) -> ir.ExternalTensor:
    """A reference that is resolved from the bundle's folder, for every graph of the bundle.

    A path upwards from `plans/<id>/` would be refused by ONNX Runtime, which keeps external data
    inside a model's folder; the device reads the tensors itself and hands them over.
    """
    assert value.const_value is not None
    assert value.name is not None
    return ir.ExternalTensor(
        location=WEIGHTS,
        offset=span[0],
        length=span[1] - span[0],
        dtype=value.const_value.dtype,
        shape=ir.Shape(value.const_value.shape.numpy()),
        name=value.name,
        base_dir=os.fspath(folder),
    )


def _float32(tensor: ir.TensorProtocol) -> np.ndarray:
    return np.ascontiguousarray(tensor.numpy(), np.float32)
