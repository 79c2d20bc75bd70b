"""Calls that have to be refused: the exit code must be the same, and other words are told."""

from __future__ import annotations

from benchmarks.same_results import inputs
from benchmarks.same_results.bundles import MODEL, bundle
from benchmarks.same_results.findings import Findings
from benchmarks.same_results.runs import run
from benchmarks.same_results.side import Ended, Environment
from benchmarks.same_results.step import Step

CODES = "exit codes"


def _refused(name: str, environment: Environment, *arguments: str, out: str | None = None) -> Step:
    return Step("refusals", name, environment, arguments, out)


_EXPORT = ("export", *MODEL)
_TRAIN = ("train", bundle("all"), "--data", inputs.FEW)

REFUSALS = (
    _refused("unknown command", "device", "fly"),
    _refused("export: unknown model", "host", "export", "--model", "resnet99", "--drift", "output", out="no"),
    _refused("export: unknown drift", "host", *_EXPORT, "--drift", "season", out="no"),
    _refused("export: unknown method", "host", *_EXPORT, "--method", "guess", out="no"),
    _refused("export: unknown block", "host", *_EXPORT, "--drift", "feature", "--block", "layer9", out="no"),
    _refused(
        "export: no weights",
        "host",
        "export",
        "--model",
        "resnet26",
        "--weights",
        "no.pth",
        "--drift",
        "output",
        out="no",
    ),
    _refused("export: no calibration", "host", *_EXPORT, "--drift", "feature", "--prefix", "int8", out="no"),
    _refused("export: no source", "host", *_EXPORT, "--method", "persephonee", out="no"),
    _refused("export: odd mean", "host", *_EXPORT, "--drift", "output", "--mean", "grey", out="no"),
    _refused("train: no bundle", "device", "train", "no", "--data", inputs.FEW, out="no"),
    _refused("train: no data", "device", "train", bundle("feature"), "--data", "no.npz", out="no"),
    _refused("train: which plan?", "device", *_TRAIN, out="no"),
    _refused("train: unknown plan", "device", *_TRAIN, "--plan", "best", out="no"),
    _refused("train: which exits?", "device", "train", bundle("method-persephonee"), "--data", inputs.FEW, out="no"),
    _refused("train: odd budget", "device", *_TRAIN, "--memory-budget", "much", out="no"),
    _refused("train: useless budget", "device", *_TRAIN, "--drift", "full", "--update-budget", "1MB", out="no"),
    _refused("train: unknown meter", "device", *_TRAIN, "--drift", "full", "--meter", "sun", out="no"),
    _refused("train: rate below 0", "device", *_TRAIN, "--drift", "full", "--lr", "-1", out="no"),
    _refused("train: a run is there", "device", *_TRAIN, "--drift", "full", out=run("feature")),
    _refused("tune: which plan?", "device", "tune", bundle("all"), out="no"),
    _refused("diagnose: one plan", "device", "diagnose", bundle("feature"), "--data", inputs.FEW),
    _refused("eval: other images", "device", "eval", bundle("new-head"), "--data", inputs.FEW),
    _refused("predict: no picture", "device", "predict", bundle("feature"), "no.png"),
    _refused("corrupt: unknown", "device", "corrupt", inputs.FEW, "--name", "rust", out="no.npz"),
    _refused("finalize: no run", "device", "finalize", bundle("feature"), out="no.onnx"),
    _refused("report: no run", "device", "report", bundle("feature")),
    _refused("report: other data", "device", "report", run("feature"), run("all, drift auto")),
    _refused("compare: twice the same", "device", "compare", *(bundle("output"),) * 2, "--data", inputs.FEW, out="no"),
    _refused("bench: no such drift", "device", "bench", bundle("feature"), "--compare", "input"),
    _refused("reproduce: no weights", "host", "reproduce", "cifar-flip", "--data", inputs.FEW, out="no"),
)


def compare_refusals(name: str, base: Ended, other: Ended) -> Findings:
    """Codes are the same, and neither has JSON; words are told where they changed."""
    findings = Findings()
    findings.expect("exit code", base.code, other.code, CODES)
    findings.expect("stdout", base.out, other.out, "outputs")
    if not base.code:
        findings.differ("it has to be refused", "exit code 0", f"exit code {other.code}")
    if base.err != other.err:
        findings.remarks.append(f"words changed, {name}:\n  base:  {_joined(base.err)}\n  other: {_joined(other.err)}")
    return findings


def _joined(words: str) -> str:
    return " | ".join(line for line in words.splitlines() if line.strip())
