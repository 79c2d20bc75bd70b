"""Every other command once or more, and what it writes."""

from __future__ import annotations

from benchmarks.same_results import inputs
from benchmarks.same_results.bundles import bundle
from benchmarks.same_results.runs import QUIET, run
from benchmarks.same_results.side import Environment
from benchmarks.same_results.step import Group, Made, Step

_ONE = ("--threads", "1")


def _step(
    name: str,
    *arguments: str,
    out: str | None = None,
    made: Made = "nothing",
    environment: Environment = "device",
    group: Group = "commands",
) -> Step:
    return Step(group, name, environment, arguments, out, made)


COMMANDS = (
    _step("inspect, a plan", "inspect", bundle("feature")),
    _step("inspect, several plans", "inspect", bundle("all")),
    _step("inspect, an archive", "inspect", bundle("archive.tar.gz")),
    _step("ops", "ops", environment="host"),
    _step("doctor", "doctor", bundle("feature")),
    _step("diagnose", "diagnose", bundle("all"), "--data", inputs.FLIPPED, *_ONE),
    _step("diagnose, few images", "diagnose", bundle("all"), "--data", inputs.FEW, "--samples", "40", *_ONE),
    _step("tune", "tune", bundle("output"), "--batch-size", "8", *_ONE, out="tuned"),
    _step("eval, a bundle", "eval", bundle("all"), "--data", inputs.HELD_OUT, *_ONE),
    _step("eval, a run", "eval", run("feature"), "--data", inputs.HELD_OUT, *_ONE),
    _step("eval, exits", "eval", run("persephonee labels"), "--data", inputs.HELD_OUT, *_ONE),
    _step("predict, a run", "predict", run("feature"), inputs.PHOTOS, inputs.HELD_OUT, *_ONE),
    _step("predict, exits", "predict", run("persephonee labels"), inputs.HELD_OUT, *_ONE),
    *(
        _step(f"finalize, {name}", "finalize", run(name), "--allow-worse", out=f"{name}.onnx", made="bytes")
        for name in ("feature", "full", "tinytrain", "persephonee labels", "statistics only", "int8 prefix")
    ),
    _step("eval, a finished model", "eval", "feature.onnx", "--data", inputs.PHOTOS, *_ONE),
    _step("predict, a finished model", "predict", "feature.onnx", inputs.PHOTOS, *_ONE),
    _step(
        "export, a finished model",
        *("export", "--model", "feature.onnx", "--drift", "output"),
        out="again",
        made="bytes",
        environment="host",
    ),
    _step("corrupt, fog", "corrupt", inputs.HELD_OUT, "--name", "fog", out="fog.npz", made="bytes"),
    _step("corrupt, pictures", "corrupt", inputs.PHOTOS, "--name", "motion_blur", out="blurred", made="bytes"),
    _step("report, a run", "report", run("feature")),
    _step("report, two runs", "report", run("feature"), run("full"), "--allow-throttled"),
    _step("bench", "bench", bundle("feature")),
    _step("bench, all drifts", "bench", bundle("all"), "--compare", "input,feature,output,full"),
    _step(
        "compare",
        *("compare", bundle("output"), bundle("method-last-layer"), "--data", inputs.FEW, "--test", inputs.HELD_OUT),
        *("--epochs", "2", *QUIET),
        out="compared",
    ),
    _step(
        "reproduce, cifar-flip",
        *("reproduce", "cifar-flip", "--data", inputs.FEW, "--weights", inputs.WEIGHTS, "--jobs", "1"),
        out="reproduced",
        environment="host",
        group="reproduce",
    ),
)
