"""Outcomes are found again by what decided them: all of it, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.bundles import made_up_manifest
from support.counting_engine import make_case
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.manifest import FileEntry
from tbft_artifacts.plan import Plan
from tbft_edge.reproduce.baselines import BASELINES, Tent
from tbft_edge.reproduce.case import Case
from tbft_edge.reproduce.identity import identity, key_of
from tbft_edge.reproduce.protocol import Protocol
from tbft_edge.reproduce.trial import Trial

CASE = make_case("dark", 0)
TRIAL = Trial(case="dark", engine="device", recipe="default", block="block3", size=10)
PROTOCOL = Protocol(optimizer="sgd", lr=0.001, weight_decay=5e-4, epochs=10, patience=5)
MANIFEST = made_up_manifest()
PLAN = MANIFEST.plans[0]


def made_up_bundle(**files: str) -> Bundle:
    entries = {name: FileEntry(1, digest) for name, digest in files.items()}
    return Bundle(Path("bundle"), msgspec.structs.replace(MANIFEST, files=entries))


GRAPHS = {PLAN.file("gradient.onnx"): "a", PLAN.file("update.onnx"): "b"}
BUNDLE = made_up_bundle(**GRAPHS)


def key(
    case: Case = CASE,
    trial: Trial = TRIAL,
    protocol: Protocol | None = None,
    plan: Plan | None = PLAN,
    bundle: Bundle | None = BUNDLE,
) -> str:
    return key_of(identity(case, trial, protocol, plan, bundle))


def trial(**changes: Any) -> Trial:
    return msgspec.structs.replace(TRIAL, **changes)


@pytest.mark.parametrize(
    "other",
    [
        lambda: key(case=dataclasses.replace(CASE, data_id="other images")),
        lambda: key(case=dataclasses.replace(CASE, network=dataclasses.replace(CASE.network, digest="other"))),
        lambda: key(trial=trial(size=20)),
        lambda: key(trial=trial(repeat=1)),
        lambda: key(trial=trial(engine="pytorch")),
        lambda: key(trial=trial(recipe="adapt")),
        lambda: key(trial=trial(recipe="unlabelled")),
        lambda: key(trial=trial(recipe="none", block=None), plan=None),
        lambda: key(trial=trial(recipe="statistics", block=None), plan=None),
        lambda: key(protocol=PROTOCOL),
        lambda: key(protocol=msgspec.structs.replace(PROTOCOL, seed=1)),
        lambda: key(protocol=msgspec.structs.replace(PROTOCOL, patience=6)),
        lambda: key(plan=msgspec.structs.replace(PLAN, batch_norm="batch")),
        lambda: key(plan=msgspec.structs.replace(PLAN, batch_size=PLAN.batch_size + 1)),
        lambda: key(plan=msgspec.structs.replace(PLAN, optimizer=msgspec.structs.replace(PLAN.optimizer, lr=0.5))),
        lambda: key(bundle=made_up_bundle(**GRAPHS | {PLAN.file("gradient.onnx"): "c"})),
    ],
)
def test_what_decides_an_outcome_tells_it_apart(other: Callable[[], str]) -> None:
    """An outcome of something else in a table would be a wrong figure that nobody sees."""
    assert other() != key()


def test_what_is_the_same_training_is_one_trial() -> None:
    """Hours are saved where a policy is the default, and where only other plans of the bundle changed."""
    assert key(trial=trial(recipe="batch")) == key()
    assert key(case=dataclasses.replace(CASE, name="night", target="fc")) == key()
    assert key(bundle=made_up_bundle(**GRAPHS | {"plans/output-frozen-sgd/update.onnx": "other"})) == key()


def test_baselines_differ_by_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have no protocol and no graphs."""

    def found() -> dict[str, str]:
        trials = {name: trial(engine="pytorch", recipe=name, block=None) for name in BASELINES}
        return {name: key(trial=each, plan=None, bundle=None) for name, each in trials.items()}

    before = found()
    assert len(set(before.values())) == len(BASELINES)
    monkeypatch.setitem(BASELINES, "tent", Tent(lr=0.1))  # type: ignore[arg-type]
    assert {name for name, after in found().items() if after != before[name]} == {"tent"}


def test_pytorch_trials_differ_by_block() -> None:
    """They have no graphs that would say it."""
    keys = {key(trial=trial(engine="pytorch", block=block), protocol=PROTOCOL) for block in ("block1", "fc", "full")}
    assert len(keys) == 3
