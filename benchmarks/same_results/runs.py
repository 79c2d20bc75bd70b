"""Trainings of every kind of plan, with one thread: their results repeat bit for bit."""

from __future__ import annotations

from benchmarks.same_results import inputs
from benchmarks.same_results.bundles import bundle
from benchmarks.same_results.step import Made, Step

# A meter's joules would be measured, too.
QUIET = ("--threads", "1", "--meter", "none")
_SEED = ("--seed", "7")


def run(name: str) -> str:
    """Where the run `name` lies."""
    return f"runs/{name}"


def _train(name: str, source: str, *options: str, data: str = inputs.FEW, epochs: int = 2, out: str = "") -> Step:
    arguments = ("train", bundle(source), "--data", data, "--epochs", str(epochs), *QUIET, *options)
    return Step("runs", f"train {name}", "device", arguments, run(out or name), "run")


def _exits(way: str) -> tuple[str, ...]:
    return "--plan", f"exits-{way}-frozen-sgd"


def _cut(name: str, made: Made, kept: str | None = None) -> Step:
    arguments = ("train", bundle("feature"), "--data", inputs.FEW, *QUIET, "--epochs", "1000", "--patience", "1000")
    return Step("runs", f"train {name}", "device", arguments, run(name), made, kept, interrupted=True)


TRAININGS = (
    _train("input", "input", *_SEED),
    _train("feature", "feature", *_SEED),
    _train("output", "output", *_SEED),
    _train("full", "full", *_SEED),
    _train("all, drift auto", "all", "--drift", "auto", data=inputs.FLIPPED),
    *(_train(name, f"method-{name}") for name in ("tinytrain", "mobiletl", "last-layer", "bn-only", "bias-only")),
    _train("tinytrain, budgets", "method-tinytrain", "--update-budget", "300KB", "--compute-budget", "10%"),
    *(_train(f"persephonee {way}", "method-persephonee", *_exits(way)) for way in ("labels", "confident", "distill")),
    _train("statistics only", "feature", "--bn", "adapt", epochs=0),
    _train("adapted first", "adam-adapt-block"),
    _train("adamw, frozen", "adamw-frozen", "--profile"),
    _train("int8 prefix", "int8"),
    _train("pictures, an archive", "archive.tar.gz", "--val", inputs.HELD_OUT, data=inputs.PHOTOS),
    _train("without cache", "feature", *_SEED, "--cache", "off"),
    _train("cache in half precision", "adamw-frozen", "--cache", "fp16"),
    _train("cache in memory", "adamw-frozen", "--cache-in", "ram"),
    _train("memory budget", "full", *_SEED, "--memory-budget", "600MB"),
    _cut("cut, its cache", "bytes", "cache"),
    _train("an epoch", "feature", *_SEED, epochs=1, out="resumed"),
    _train("another, resumed", "feature", *_SEED, "--resume", out="resumed"),
)
