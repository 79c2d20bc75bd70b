"""Exports: every drift, every method, and what else changes a bundle."""

from __future__ import annotations

from benchmarks.same_results import inputs
from benchmarks.same_results.step import Step

MODEL = ("--model", "resnet26", "--weights", inputs.WEIGHTS)
_DRIFTS = ("input", "feature", "output", "full", "all")
_METHODS = ("tinytrain", "mobiletl", "last-layer", "bn-only", "bias-only", "full")


def bundle(name: str) -> str:
    """Where the export `name` lies."""
    return f"bundles/{name}"


def _export(name: str, *options: str, model: tuple[str, ...] = MODEL) -> Step:
    return Step("bundles", f"export {name}", "host", ("export", *model, *options), bundle(name), "bytes")


EXPORTS = (
    *(_export(drift, "--drift", drift) for drift in _DRIFTS),
    *(_export(f"method-{method}", "--method", method) for method in _METHODS),
    _export("method-persephonee", "--method", "persephonee", "--source", inputs.FEW),
    _export("int8", "--drift", "feature", "--prefix", "int8", "--calibration", inputs.FEW, "--allow-accuracy-loss"),
    _export("adamw-frozen", "--drift", "feature", "--bn", "frozen", "--optimizer", "adamw", "--batch-size", "16"),
    _export("adam-adapt-block", "--drift", "feature", "--block", "layer2", "--bn", "adapt", "--optimizer", "adam"),
    _export("new-head", "--drift", "output", "--new-head", "--classes", "round,straight"),
    _export("archive.tar.gz", "--drift", "output"),
)
