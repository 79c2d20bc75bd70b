"""Numbers on the command line: none, below none, huge, and no numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

from fuzz.case import Case
from fuzz.desk import Desk

_NUMBERS = (
    *("0", "-1", "1", "2", "3", "1000", str(2**31 - 1), str(2**31), str(2**62), str(2**63), str(2**64), "9" * 400),
    *(
        "nan",
        "inf",
        "-inf",
        "1e308",
        "1e-320",
        "3.4e38",
        "0.0",
        "-0.0",
        "0.5",
        "1.0",
        "x",
        "",
        " 7",
        "１",
        "0x10",
        "1_000",
    ),
)
_AMOUNTS = (
    "0",
    "1",
    "1kB",
    "50MB",
    "999999999999GB",
    "1e9",
    "nan",
    "-1MB",
    "1.5g",
    "9" * 400 + "GB",
    "0%",
    "100%",
    "15%",
)
_OF_TRAIN = (
    *("--epochs", "--batch-size", "--patience", "--seed", "--threads", "--lr", "--momentum", "--weight-decay"),
    *("--val-fraction", "--exit-accuracy"),
)
# So many would take their time, as asked.
_LONGEST = 50


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """One or two options of a command that takes numbers."""
    bundle, data = str(desk.bundle(rng.choice(("feature-frozen", "output-frozen", "feature-batch")))), str(desk.data)
    kind = rng.choice(("train", "train", "train", "budget", "diagnose", "tune", "predict", "eval"))
    if kind in ("train", "budget"):
        return _train(kind, desk, rng)
    given = rng.choice(_NUMBERS)
    match kind:
        case "diagnose":
            name = rng.choice(("--samples", "--seed", "--threads"))
            whole = str(desk.bundle("all-drifts"))
            return _said(Case("", ("diagnose", whole, "--data", data, f"{name}={given}", "--json")))
        case "tune":
            name = rng.choice(("--batch-size", "--threads"))
            case = Case("", ("tune", bundle, "--out", "run", f"{name}={given}", "--json"), ("run",))
            return _said(case)
        case "predict":
            return _said(Case("", ("predict", bundle, str(desk.photos), f"--threads={given}", "--json"), pictures=8))
        case _:
            return _said(Case("", ("eval", bundle, "--data", data, f"--threads={given}", "--json")))


def _train(kind: str, desk: Desk, rng: Random) -> Case:
    names = _OF_TRAIN if kind == "train" else ("--memory-budget", "--update-budget", "--compute-budget")
    given = {
        name: rng.choice(_NUMBERS if kind == "train" else _AMOUNTS) for name in rng.sample(names, rng.choice((1, 1, 2)))
    }
    options = [f"{name}={value}" for name, value in given.items()]
    # Epochs without end are what was asked for then.
    patience = ["--patience=2"] if "--patience" not in given else []
    if "--epochs" not in given or _is_long(given["--epochs"]):
        options = [option for option in options if not option.startswith("--epochs")] + ["--epochs=1"]
    bundle = desk.bundle("tinytrain" if kind == "budget" and rng.random() < 0.5 else "feature-frozen")
    arguments = ("train", str(bundle), "--data", str(desk.data), "--out", "run", *options, *patience, "--json")
    return _said(Case("", arguments, ("run",)))


def _is_long(epochs: str) -> bool:
    return epochs.strip().isdigit() and int(epochs) > _LONGEST


def _said(case: Case) -> Case:
    """With its options as what was done."""
    return replace(case, what=" ".join(each[:60] for each in case.arguments if "=" in each) or case.command)
