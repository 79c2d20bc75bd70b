"""BoTTA's suite: its cases, what is run on them, and that what is the same is run once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from support.fake_data_sets import photos, write_batches, write_cifar10_c
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_edge.reproduce.case import Network
from tbft_edge.reproduce.datasets.cifar10_c import PAPER_CORRUPTIONS
from tbft_edge.reproduce.preset import Preset, protocol_of, trials
from tbft_edge.reproduce.suites import botta as suite_of
from tbft_edge.reproduce.suites.botta import SCALES, botta
from tbft_edge.reproduce.suites.suite import Sources, Suite


def opened(tmp_path: Path, preset: Preset = "quick") -> Suite:
    write_batches(tmp_path / "data", {"test_batch": photos(400)})
    return botta(Sources(tmp_path / "data", Network(tmp_path / "net", "digest", 32), tmp_path / "work", preset))


@pytest.mark.parametrize("preset", SCALES)
def test_every_scenario_has_its_cases(tmp_path: Path, preset: Preset) -> None:
    suite, scale = opened(tmp_path, preset), SCALES[preset]
    names = [case.name for case in suite.cases]
    assert len(names) == len(set(names))
    found = Counter((case.scenario.name, case.scenario.setting) for case in suite.cases if case.scenario)
    single = len(scale.drifts) * scale.draws
    for images in scale.samples:
        assert found["samples", str(images)] == single
    for count in (*scale.categories, 10):
        assert found["categories", str(count)] == single
    assert found["order", "by class"] == found["order", "random"] == single
    families = {"quick": 3, "paper": 4}[preset]
    assert found["overlap", "2"] == scale.draws * families * (families - 1) // 2
    for count in scale.domains:
        mixed = [case for case in suite.cases if case.scenario and case.scenario.setting == str(count)]
        inside = {
            name
            for case in mixed
            if case.scenario and "+" in case.scenario.drift
            for name in case.scenario.drift.split("+")
        }
        assert inside == set(scale.drifts)


def test_the_paper_preset_is_the_whole_benchmark() -> None:
    scale = SCALES["paper"]
    assert scale.drifts == PAPER_CORRUPTIONS
    assert (min(scale.samples), max(scale.samples), scale.draws) == (16, 512, 3)
    assert max(scale.domains) == len(PAPER_CORRUPTIONS)


def test_a_case_has_six_methods_and_no_protocol(tmp_path: Path) -> None:
    suite = opened(tmp_path)
    planned = list(trials(suite.cases, suite.extent))
    assert Counter(trial.recipe for trial in planned) == dict.fromkeys(
        ("none", "statistics", "tent", "shot", "t3a", "unlabelled"), len(suite.cases)
    )
    assert {trial.block for trial in planned if trial.recipe == "unlabelled"} == {"block1"}
    assert {protocol_of("botta", "quick", trial) for trial in planned} == {None}


def test_references_are_the_ordinary_pool_and_are_run_once(tmp_path: Path) -> None:
    suite = opened(tmp_path)
    ids = [case.data_id for case in suite.cases if case.scenario and not case.scenario.reference]
    assert len(ids) == len(set(ids))
    for case in suite.cases:
        if case.scenario and case.scenario.reference:
            ordinary = f"samples {SCALES['quick'].pool}, {case.scenario.drift}, draw {case.scenario.draw}"
            (same,) = (other for other in suite.cases if other.name == ordinary)
            assert case.data_id == same.data_id
            assert case.seen == same.seen == ()


def test_no_case_gives_a_label_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor has any image to validate on."""
    small = replace(SCALES["quick"], samples=(16,), pool=20, categories=(5,))
    monkeypatch.setattr(suite_of, "SCALES", {"quick": small})
    monkeypatch.setattr(suite_of, "TESTED", 50)
    for case in opened(tmp_path).cases:
        parts = case.load(100)
        assert set(parts.train.labels.tolist()) == {NO_LABEL}
        assert parts.validation is None
        assert np.bincount(parts.test.labels).tolist() == [5] * 10


def test_corrupted_images_are_refused(tmp_path: Path) -> None:
    write_cifar10_c(tmp_path / "data", PAPER_CORRUPTIONS[:1], 20)
    with pytest.raises(TbftError, match="has corrupted images") as caught:
        botta(Sources(tmp_path / "data", Network(tmp_path / "net", "digest", 32), tmp_path / "work", "quick"))
    assert "cifar.html" in caught.value.hint
