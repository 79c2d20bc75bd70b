"""Training the source network where there is no checkpoint of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from support.pictures import Pictures, coloured_pictures
from tbft_artifacts.errors import DivergedError, TbftError
from tbft_edge.reproduce.pytorch.evaluation import evaluate
from tbft_edge.reproduce.pytorch.source_recipe import AUTHORS_RECIPE, SourceRecipe
from tbft_edge.reproduce.pytorch.source_training import SourceEpoch, fresh_network, train_source
from tbft_export.sources.resnet26 import ResNet26
from tbft_export.sources.weights import load_into, read_state_dict

SHORT = SourceRecipe(epochs=2, batch_size=16)


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return coloured_pictures(40, seed=0, size=32)


class PulledPlugError(Exception):
    """Ends a training after an epoch."""


def test_the_rate_falls_where_the_recipes_say() -> None:
    """75 epochs with milestones 50 and 65; the same shares of fewer; the authors' own, halved every 50."""
    recipe = SourceRecipe()
    assert [recipe.learning_rate(epoch) for epoch in (1, 50)] == [0.1, 0.1]
    np.testing.assert_allclose([recipe.learning_rate(epoch) for epoch in (51, 65, 66, 75)], [0.01, 0.01, 1e-3, 1e-3])
    short = SourceRecipe(epochs=15)
    np.testing.assert_allclose([short.learning_rate(epoch) for epoch in (10, 11, 13, 14)], [0.1, 0.01, 0.01, 1e-3])
    np.testing.assert_allclose(
        [AUTHORS_RECIPE.learning_rate(epoch) for epoch in (50, 51, 250, 251, 300)],
        [0.01, 0.005, 0.01 / 16, 0.01 / 32, 0.01 / 32],
    )
    with pytest.raises(TbftError, match="0 epochs"):
        SourceRecipe(epochs=0)


def test_what_is_written_is_what_was_trained(tmp_path: Path, pictures: Pictures) -> None:
    """The exporter reads it as any checkpoint; training is told of, and nothing but the weights is left."""
    out = tmp_path / "source.safetensors"
    told: list[SourceEpoch] = []
    network = train_source(pictures, 4, out, SHORT, threads=1, on_epoch=told.append)
    again = ResNet26(4)
    load_into(again, read_state_dict(out), out)
    assert evaluate(again, pictures) == evaluate(network, pictures)
    assert [epoch.number for epoch in told] == [1, 2]
    assert told[1].loss < told[0].loss
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    fresh = fresh_network(4, 32, SHORT.seed).state_dict()
    assert not torch.equal(fresh["conv1.weight"], load_file(out)["conv1.weight"])


def test_an_interrupted_training_ends_in_the_same_weights(tmp_path: Path, pictures: Pictures) -> None:
    """Bit for bit: weights, momentum, order and chance all go on where they were."""

    def pull_plug(epoch: SourceEpoch) -> None:
        raise PulledPlugError

    whole, interrupted = tmp_path / "whole.safetensors", tmp_path / "interrupted.safetensors"
    train_source(pictures, 4, whole, SHORT, threads=1)
    with pytest.raises(PulledPlugError):
        train_source(pictures, 4, interrupted, SHORT, threads=1, on_epoch=pull_plug)
    assert not interrupted.exists()
    told: list[SourceEpoch] = []
    train_source(pictures, 4, interrupted, SHORT, threads=1, on_epoch=told.append)
    assert [epoch.number for epoch in told] == [2]
    first, second = load_file(whole), load_file(interrupted)
    assert first.keys() == second.keys()
    assert [name for name, value in first.items() if not torch.equal(value, second[name])] == []


def test_a_foreign_or_damaged_training_is_refused(tmp_path: Path, pictures: Pictures) -> None:
    """It is neither mixed into another training nor overwritten."""

    def pull_plug(epoch: SourceEpoch) -> None:
        raise PulledPlugError

    out = tmp_path / "source.safetensors"
    with pytest.raises(PulledPlugError):
        train_source(pictures, 4, out, SHORT, threads=1, on_epoch=pull_plug)
    kept = tmp_path / "source.safetensors.training"
    content = kept.read_bytes()
    with pytest.raises(TbftError, match="other settings or images"):
        train_source(pictures, 4, out, SourceRecipe(epochs=3, batch_size=16), threads=1)
    with pytest.raises(TbftError, match="other settings or images"):
        train_source(Pictures(pictures.images, pictures.labels[::-1].copy()), 4, out, SHORT, threads=1)
    assert kept.read_bytes() == content
    kept.write_bytes(content[:100])
    with pytest.raises(TbftError, match="damaged"):
        train_source(pictures, 4, out, SHORT, threads=1)


def test_a_rate_that_diverges_is_a_clear_error(tmp_path: Path, pictures: Pictures) -> None:
    with pytest.raises(DivergedError, match="epoch"):
        train_source(
            pictures, 4, tmp_path / "out.safetensors", SourceRecipe(epochs=3, lr=1e30, batch_size=8), threads=1
        )


def test_a_fresh_network_depends_on_its_seed_alone() -> None:
    """He's initialisation by outgoing channels, and the caller's random state stays as it was."""
    before = torch.get_rng_state()
    first, second, other = (fresh_network(10, 32, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
    weight = first["layer3.1.conv1.weight"]
    expected = (2 / (9 * 64)) ** 0.5
    assert abs(weight.std().item() - expected) < 0.05 * expected
