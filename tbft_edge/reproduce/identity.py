"""What decides the outcome of a trial: two trials that agree in all of it are one."""

from __future__ import annotations

import msgspec

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan
from tbft_edge.fingerprint import of_words
from tbft_edge.reproduce.baselines import BASELINES
from tbft_edge.reproduce.cache import FORMAT
from tbft_edge.reproduce.case import Case
from tbft_edge.reproduce.protocol import Protocol
from tbft_edge.reproduce.trial import Trial


def identity(
    case: Case, trial: Trial, protocol: Protocol | None, plan: Plan | None, bundle: Bundle | None
) -> dict[str, str]:
    """Weights, data, protocol, and of a device trial the graphs of its plan with their defaults.

    A bundle's other plans and the words in its manifest do not count. `plan` is None where nothing is trained.
    """
    words = {
        "format": str(FORMAT),
        "weights": case.network.digest,
        "data": case.data_id,
        "size": str(trial.size),
        "repeat": str(trial.repeat),
        "engine": trial.engine,
        "protocol": "" if protocol is None else msgspec.json.encode(protocol).decode(),
    }
    baseline = BASELINES.get(trial.recipe)
    if baseline is not None:
        return words | {"baseline": msgspec.json.encode(baseline).decode()}
    if trial.engine == "pytorch":
        return words | {"block": str(trial.block)}
    if plan is None or bundle is None:
        return words | {"recipe": trial.recipe}
    if trial.recipe == "unlabelled":
        words |= {"labels": "none"}
    files = {name: entry.sha256 for name, entry in bundle.manifest.files.items() if name.startswith(plan.file(""))}
    return words | {
        "batch_norm": "adapt" if trial.recipe == "adapt" else plan.batch_norm,
        "statistics_part": str(plan.statistics_part or "whole"),
        "optimizer": msgspec.json.encode(plan.optimizer).decode(),
        "batch_size": str(plan.batch_size),
        "graphs": of_words(*sorted(files.items())),
    }


def key_of(words: dict[str, str]) -> str:
    """A short name for it."""
    return of_words(*sorted(words.items()))
