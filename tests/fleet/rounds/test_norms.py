"""What becomes of statistics of batch norms in rounds: what somebody said, else what the fleet declares of the plan."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.numpy import load, save

from support.made_up_rounds import Behaviour, MemoryLink, World, answer, task_of
from tbft_artifacts.archive import opened
from tbft_artifacts.errors import TbftError
from tbft_fleet.files.round import NormsPolicy, Round
from tbft_fleet.host.folder import open_fleet
from tbft_fleet.rounds.rounds import Wanted, rounds_of
from tbft_fleet.rounds.trained import Trained, trained
from tbft_runtime.graphs.weights import load_weights


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Of a plan whose statistics move."""
    return World(tmp_path, "input-batch")


def what(world: World) -> Trained:
    with opened(world.archive) as bundle:
        return trained(bundle, bundle.plan(world.plan), load_weights(bundle))


def hold(world: World, **wanted: object) -> tuple[Round, set[str]]:
    """A round of one device, and the names of the tensors that came of it."""
    device, weights = world.made_up("pi-0"), save(dict(what(world).base))
    behave: Behaviour = lambda _, parcel: answer(  # noqa: E731
        world, device, task_of(parcel, world.signer.public_key).id, weights
    )
    asked = Wanted(1, 1, world.plan, "mean", 10, **wanted)  # type: ignore[arg-type]
    fleet = open_fleet(world.fleet.folder)
    with rounds_of(fleet, MemoryLink({"pi-0": behave}), asked, print) as rounds:  # type: ignore[arg-type]
        (found,) = rounds.hold()
    return found, set(load((fleet.merges / f"{found.number:06}" / "merge.safetensors").read_bytes()))


def declare(world: World, policy: str) -> None:
    file = world.fleet.folder / "fleet.toml"
    file.write_text(file.read_text().replace("[norms]\n", f'[norms]\n{world.plan} = "{policy}"\n'))


@pytest.mark.parametrize(
    ("declared", "asked", "comes"),
    [(None, None, "merge"), ("local", None, "local"), (None, "frozen", "frozen"), ("local", "merge", "merge")],
)
def test_statistics_become_what_was_declared(
    world: World, declared: NormsPolicy | None, asked: NormsPolicy | None, comes: NormsPolicy
) -> None:
    """In `fleet.toml` for the plan, or for once."""
    if declared is not None:
        declare(world, declared)
    found, names = hold(world, norms=asked)
    assert found.norms == comes
    statistics = set(what(world).statistics)
    assert statistics
    assert names == set(what(world).parameters) | (statistics if comes == "merge" else set())


def test_another_word_is_refused(world: World) -> None:
    declare(world, "average")
    with pytest.raises(TbftError, match=r"fleet\.toml"):
        open_fleet(world.fleet.folder)


@pytest.mark.parametrize("clip", [0.5, float("inf"), float("nan")])
def test_clipping_that_says_nothing_is_refused_before_anybody_trains(world: World, clip: float) -> None:
    with pytest.raises(TbftError, match="`clip`"):
        hold(world, clip=clip)
    assert list(world.fleet.merges.iterdir()) == []
