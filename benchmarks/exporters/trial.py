"""One file: exported, trained, finalized and asked by the real commands, beside ONNX Runtime on the file itself."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import onnx
import onnx_ir as ir

from benchmarks.exporters import data
from benchmarks.exporters.files import SIZE, File
from benchmarks.exporters.results import Trained, Tried
from benchmarks.zoo.networks import CLASSES
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_export.quiet import quiet
from tbft_export.sources.onnx.read import read_onnx

STEPS, BATCH = 10, 8
_VALIDATION = 40
# Default rates are for trained networks.
_RATE = 0.001
_TRIED = ("output", "feature")
_LONGEST = 900  # seconds


class _FailedError(Exception):
    """A command that ended with an error; what it said."""


def try_file(file: File, device_python: Path, folder: Path, known: dict[str, Path]) -> Tried:
    """Write the file, and take it through all commands.

    `known` are bundles by the graph that the compiler read, each in a folder that is called as its file; it gets this
    one's. From a graph that is known the same bundle would be made: that one is asked for its logits alone.
    """
    folder.mkdir()
    path, bundle = folder / "model.onnx", folder / "bundle"
    with contextlib.redirect_stdout(io.StringIO()), quiet(2):  # What exporters say of their progress.
        file.write(path)
    imports = onnx.load(path, load_external_data=False).opset_import
    written = next(each.version for each in imports if each.domain in ("", "ai.onnx"))
    tried = Tried(file.name, file.network, file.form, file.opset, written)
    images = data.save(folder / "validation.npz", _VALIDATION, SIZE, 2)
    try:
        digest = _digest(file, path)
        same = known.get(digest)
        if same is None:
            tried = _export(file, tried, path, bundle)
            known[digest] = bundle
            tried = _train_all(tried, device_python, bundle, images)
        else:
            tried = msgspec.structs.replace(tried, as_file=same.parent.name)
        named = [] if file.output is None else [file.output]
        answers = _run(device_python, "benchmarks.exporters.answers", same or bundle, path, images, *named)
        return msgspec.structs.replace(tried, **json.loads(answers))
    except _FailedError as failed:
        return msgspec.structs.replace(tried, refused=f"{failed}".replace(f"{folder}{os.sep}", ""))


def _digest(file: File, path: Path) -> str:
    """Of the graph that the compiler reads in it, weights included, without what is said of where nodes come from."""
    if file.options:
        return file.name
    try:
        proto = ir.to_proto(read_onnx(path, None).model)
    except TbftError:  # The command says why.
        return file.name
    graph = proto.graph
    for each in (proto, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        each.ClearField("metadata_props")
        each.ClearField("doc_string")
    return hashlib.sha256(file.form.encode() + proto.SerializeToString(deterministic=True)).hexdigest()


def _export(file: File, tried: Tried, path: Path, bundle: Path) -> Tried:
    usage = path.with_name("usage.json")
    model = ["--model", path, *file.options, "--classes", CLASSES]
    what = ["--drift", "all", "--keep-going", "--json", "--out", bundle]
    said = json.loads(_run(sys.executable, "benchmarks.zoo.measured", usage, *model, *what))
    return msgspec.structs.replace(
        tried,
        processor_seconds=json.loads(usage.read_text(encoding="utf-8"))["processor_seconds"],
        exported=tuple(plan.id for plan in open_bundle(bundle).manifest.plans),
        left_out={each["plan"]: each["reason"] for each in said.get("left_out", [])},
    )


def _train_all(tried: Tried, python: Path, bundle: Path, validation: Path) -> Tried:
    training = data.save(bundle.with_name("training.npz"), STEPS * BATCH, SIZE, 1)
    manifest = open_bundle(bundle).manifest
    chosen = [plan for plan in map(manifest.plan_for, _TRIED) if plan is not None]
    trained = tuple(_train(python, bundle, plan, training, validation) for plan in chosen)
    return msgspec.structs.replace(tried, plans=trained)


def _train(python: Path, bundle: Path, plan: Plan, training: Path, validation: Path) -> Trained:
    """Train for an epoch, finalize, and ask the run and its finalized model about the same images."""
    run, final = bundle.with_name(f"run-{plan.id}"), bundle.with_name(f"{plan.id}.onnx")
    images = ["--data", training, "--val", validation, "--plan", plan.id]
    settings = ["--epochs", 1, "--lr", _RATE, "--batch-size", BATCH, "--threads", 1, "--meter", "none", "--json"]
    result = json.loads(_run(python, "tbft_edge", "train", bundle, "--out", run, *images, *settings))
    epoch = json.loads((run / "report.json").read_text(encoding="utf-8"))["epochs"][0]
    _run(python, "tbft_edge", "finalize", run, "--out", final, "--allow-worse")
    asked, expected = (_probabilities(python, model, validation) for model in (final, run))
    difference = max(abs(one - other) for one, other in zip(asked, expected, strict=True))
    return Trained(plan.id, plan.drift or "", result["loss_before"], epoch["validation_loss"], difference)


def _probabilities(python: Path, model: Path, images: Path) -> list[float]:
    """Of each image's likeliest class."""
    lines = _run(python, "tbft_edge", "predict", model, images, "--threads", 1, "--json")
    return [each["probability"] for each in json.loads(lines)]


def _run(python: Path | str, module: str, *options: object) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    if str(python) != sys.executable:
        # What the host's environment adds for the networks of others is none of a device's.
        environment.pop("PYTHONPATH", None)
    command = [str(python), "-m", module, *map(str, options)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=_LONGEST)
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if line.startswith("error: ")), done.stderr[-300:])
        raise _FailedError(f"{module.rpartition('.')[2]}: {said.removeprefix('error: ')}")
    return done.stdout
