"""A bank that somebody made up, with a true checksum, is refused in one line; and how far a window may be."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from support.bundles import ALL_DRIFTS, FRONT, compiled, compiled_copy, read_manifest, write_manifest
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.source import MOMENTS, NORM_COVARIANCE, NORM_TAILS
from tbft_runtime import Bank
from tbft_runtime.domains.file import Domain, write_bank
from tbft_runtime.domains.reader import ChannelReader
from tbft_runtime.domains.record import DomainRecord
from tbft_runtime.domains.statistics import Statistics, of_source, route
from tbft_runtime.graphs.weights import load_weights

SIZE = 3


def domain() -> Domain:
    """One without anything that was changed."""
    bundle = open_bundle(compiled(ALL_DRIFTS))
    size = len(ChannelReader.load(bundle, load_weights(bundle), 1).covariance)
    return Domain(DomainRecord("night", FRONT, 40, None), Statistics(np.ones(size), np.eye(size), 40, 8.0, 16.0), {})


def opened(folder: Path, made_up: Domain) -> Bank:
    bundle = open_bundle(compiled(ALL_DRIFTS))
    write_bank(folder / "made-up.bank", str(bundle.folder), bundle.manifest.bundle_id, {"night": made_up})
    return Bank.open(folder / "made-up.bank", threads=1)


def test_what_fits_is_opened(tmp_path: Path) -> None:
    assert opened(tmp_path, domain()).domains == ("source", "night")


@pytest.mark.parametrize(
    "changed",
    [
        {"nobody": np.zeros(1, np.float32)},
        {"conv1.weight": np.zeros((1, 2), np.float32)},
        {"conv1.weight": np.full((8, 3, 3, 3), np.nan, np.float32)},
    ],
)
def test_tensors_without_a_place_are_refused(changed: dict[str, np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(TbftError, match=r"made-up\.bank"):
        opened(tmp_path, dataclasses.replace(domain(), changed=changed))


def test_statistics_that_are_none_are_refused(tmp_path: Path) -> None:
    """Of other shapes, without scatter, and a covariance that is none."""
    whole = domain()
    size = len(whole.statistics.mean)
    other = Statistics(np.ones(size + 1), np.eye(size + 1), 40, 8.0, 16.0)
    still = dataclasses.replace(whole.statistics, level=0.0)
    flat = dataclasses.replace(whole.statistics)
    object.__setattr__(flat, "covariance", -np.eye(size))
    for statistics in (other, still, flat):
        with pytest.raises(TbftError, match="is damaged"):
            opened(tmp_path, dataclasses.replace(whole, statistics=statistics))


def test_plans_and_names_that_there_are_not_are_refused(tmp_path: Path) -> None:
    whole = domain()
    with pytest.raises(TbftError, match="has no plan 'other'"):
        opened(tmp_path, dataclasses.replace(whole, record=msgspec.structs.replace(whole.record, plan="other")))


def reader(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> ChannelReader:
    """Of a bundle whose source images had another covariance."""
    copy = compiled_copy(ALL_DRIFTS, folder / "bundle")
    tensors = load_file(copy / MOMENTS)
    save_file({**tensors, NORM_COVARIANCE: change(tensors[NORM_COVARIANCE])}, copy / MOMENTS)
    write_manifest(copy, read_manifest(copy))
    bundle = open_bundle(copy)
    return ChannelReader.load(bundle, load_weights(bundle), 1)


def without_the_first(covariance: np.ndarray) -> np.ndarray:
    """As of a channel that is always off."""
    kept = np.ones_like(covariance)
    kept[0], kept[:, 0] = 0, 0
    return covariance * kept


def test_a_channel_that_is_off_is_no_hindrance(tmp_path: Path) -> None:
    found = of_source(reader(tmp_path, without_the_first).covariance, 100, [])
    assert np.isfinite(found.unlikeliness(np.zeros((2, len(found.mean)))))


@pytest.mark.parametrize("change", [np.zeros_like, np.negative])
def test_what_is_no_covariance_of_the_source_is_refused(
    change: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    with pytest.raises(TbftError, match="is no covariance"):
        reader(tmp_path, change)


@pytest.mark.parametrize("tails", [[0, 1], [4, -1], [np.nan, 1], [4, 5, 6]])
def test_tails_that_no_images_have_are_refused(tmp_path: Path, tails: list[float]) -> None:
    copy = compiled_copy(ALL_DRIFTS, tmp_path / "bundle")
    save_file({**load_file(copy / MOMENTS), NORM_TAILS: np.array(tails, np.float32)}, copy / MOMENTS)
    write_manifest(copy, read_manifest(copy))
    bundle = open_bundle(copy)
    with pytest.raises(TbftError, match=r"norm_tails|finite"):
        ChannelReader.load(bundle, load_weights(bundle), 1)


def test_the_source_has_the_tails_that_the_bundle_says() -> None:
    """Of the other domains only where the bundle says nothing."""
    other = Statistics(np.zeros(SIZE), np.eye(SIZE), 100, SIZE, 9.0 * SIZE)
    told = of_source(np.eye(SIZE), 1000, [other], (SIZE + 0.5, 7.0 * SIZE))
    assert (told.level, told.spread) == (SIZE + 0.5, 7.0 * SIZE)
    assert told.limit(32) > of_source(np.eye(SIZE), 1000).limit(32)
    assert told.limit(32, 0.001) > told.limit(32, 0.01)


@given(seed=st.integers(0, 99), window=st.integers(2, 64))
def test_windows_of_a_domain_are_near_it(seed: int, window: int) -> None:
    """Of Gaussian images: sent to the nearer one of two clouds, and never far outside where they fit."""
    rng = np.random.default_rng(seed)
    near = Statistics.of(rng.normal(0, 1, (400, SIZE)), np.eye(SIZE))
    far = Statistics.of(rng.normal(9, 1, (400, SIZE)), np.eye(SIZE))
    assert route([far, near], rng.normal(0, 1, (window, SIZE)))[0] == 1
    assert route([far, near], rng.normal(0, 1, (window, SIZE)) + 4) in [(0, False), (1, False)]


def test_false_alarms_are_as_rare_as_stated() -> None:
    """One of a hundred windows, of a Gaussian cloud and of one with long tails."""
    rng = np.random.default_rng(0)
    for draw in (lambda shape: rng.normal(0, 1, shape), lambda shape: rng.standard_t(5, shape)):
        found = Statistics.of(draw((2000, SIZE)), np.eye(SIZE))
        for window in (1, 4, 32):
            windows = draw((2000, window, SIZE))
            far = np.mean([not route([found], each)[1] for each in windows])
            assert 0.002 < far < 0.025


def test_the_source_has_tails_as_long_as_the_others() -> None:
    other = Statistics(np.zeros(SIZE), np.eye(SIZE), 100, 6.0, 72.0)
    source = of_source(np.eye(SIZE), 1000, [other])
    assert source.limit(1) == pytest.approx(other.limit(1) / 2)
    assert of_source(np.eye(SIZE), 1000, []).spread == 2 * SIZE
