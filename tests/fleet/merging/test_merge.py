"""Parts of several devices into one: what is refused, what is cut short, and what becomes of statistics."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm
from tbft_fleet.merging import merge as module
from tbft_fleet.merging.merge import Merged, merge
from tbft_fleet.merging.part import Part
from tbft_fleet.merging.rules import Rule

NORM = BatchNorm(mean="bn.mean", variance="bn.var", momentum=0.1, values=4)
BASE = {
    "fc.weight": np.zeros((2, 3), np.float32),
    "fc.bias": np.ones(2, np.float32),
    "bn.mean": np.zeros(3, np.float32),
    "bn.var": np.ones(3, np.float32),
}
PARAMETERS = ("fc.weight", "fc.bias")


def part(name: str, step: float, images: int = 60, age: int = 0, spread: float = 1.0) -> Part:
    """A device whose every parameter moved by `step`, and its means, too."""
    moved = {"fc.weight": step, "fc.bias": step, "bn.mean": step}
    tensors = {key: value + np.float32(moved.get(key, 0)) for key, value in BASE.items()}
    return Part(name, {**tensors, "bn.var": np.full(3, spread, np.float32)}, BASE, images, age)


def merged(parts: Sequence[Part], rule: Rule = "mean", **options: object) -> Merged:
    options = {"policy": "merge", **options}
    return merge(parts, PARAMETERS, (NORM,), rule=rule, **options)  # type: ignore[arg-type]


def test_a_mean_is_weighted_by_images() -> None:
    """FedAvg; statistics by total variance."""
    found = merged([part("a", 0.0, 10), part("b", 1.0, 30)])
    assert found.tensors["fc.weight"] == pytest.approx(0.75)
    assert found.tensors["bn.mean"] == pytest.approx(0.75)
    assert found.tensors["bn.var"] == pytest.approx(1 + 0.25 * 0.75)
    assert [share.weight for share in found.shares] == [0.25, 0.75]
    assert all(value.dtype == np.float32 for value in found.tensors.values())
    assert {name: value.shape for name, value in found.tensors.items()} == {k: v.shape for k, v in BASE.items()}


@pytest.mark.parametrize("policy", ["local", "frozen"])
def test_statistics_are_left_out_where_the_policy_says_so(policy: str) -> None:
    assert merged([part("a", 0.0), part("b", 1.0)], policy=policy).tensors.keys() == set(PARAMETERS)


@given(st.floats(-100, 100, width=32), st.integers(1, 10_000))
def test_one_part_is_itself(step: float, images: int) -> None:
    """A fleet of one goes on as if it had merged nothing."""
    alone = part("a", step, images, spread=2.5)
    found = merged([alone])
    assert all(np.array_equal(found.tensors[name], alone.tensors[name]) for name in BASE)
    assert found.shares[0].weight == found.shares[0].kept == 1


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are merged some at a time, so that memory stays flat: the result is the same."""
    parts = [part("a", 0.3, 7), part("b", 1.1, 30), part("c", -2.0, 11, 1)]
    for rule in ("mean", "trimmed", "median"):
        whole = merged(parts, rule).tensors
        with monkeypatch.context() as patch:
            patch.setattr(module, "_BLOCK_BYTES", 1)
            assert {k: v.tobytes() for k, v in merged(parts, rule).tensors.items()} == {
                k: v.tobytes() for k, v in whole.items()
            }


def test_what_is_large_is_cut_short() -> None:
    """Ten times as far as usual counts as three times, and both stand in the result."""
    found = merged([part("a", 1.0), part("b", 1.0), part("c", 10.0)], clip=3.0)
    assert found.shares[2].kept == pytest.approx(0.3)
    assert found.tensors["fc.weight"] == pytest.approx((1 + 1 + 3) / 3)
    assert merged([part("a", 1.0), part("b", 1.0), part("c", 10.0)], clip=50).tensors["fc.weight"] == pytest.approx(4)


def test_what_is_large_is_outvoted() -> None:
    for rule in ("trimmed", "median"):
        found = merged([part("a", 1.0), part("b", 1.1), part("c", 90.0)], rule, clip=1000)  # type: ignore[arg-type]
        assert found.tensors["fc.weight"] == pytest.approx(1.1)


def broken(fault: str) -> Part:
    """A part with one thing wrong."""
    whole = part("pi-7", 1.0)
    tensors = dict(whole.tensors)
    match fault:
        case "x1000":
            return part("pi-7", 1000.0)
        case "statistics x1000":
            return dataclasses.replace(whole, tensors={**tensors, "bn.mean": np.full(3, 1000, np.float32)})
        case "nan":
            tensors["fc.bias"] = np.array([np.nan, 1], np.float32)
        case "infinite":
            tensors["bn.var"] = np.array([1, np.inf, 1], np.float32)
        case "variance":
            tensors["bn.var"] = np.array([1, -1, 1], np.float32)
        case "shape":
            tensors["fc.weight"] = np.zeros((3, 2), np.float32)
        case "type":
            tensors["fc.weight"] = np.zeros((2, 3), np.float64)
        case "missing":
            del tensors["fc.bias"]
        case "more":
            tensors["conv.weight"] = np.zeros(1, np.float32)
        case "images":
            return dataclasses.replace(whole, images=0)
    return dataclasses.replace(whole, tensors=tensors)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("x1000", "moved 833 times as far as is usual"),
        ("statistics x1000", "moved 833 times as far"),
        ("nan", "'fc.bias' with values that are infinite or no number"),
        ("infinite", "'bn.var' with values that are infinite"),
        ("variance", "variances below 0"),
        ("shape", r"'fc.weight' in shape \(3, 2\)"),
        ("type", "'fc.weight' as float64"),
        ("missing", "other tensors than the plan trains: 'fc.bias'"),
        ("more", "other tensors than the plan trains: 'conv.weight'"),
        ("images", "0 images"),
    ],
)
@pytest.mark.parametrize("place", [0, 2])
def test_a_poisoned_part_is_refused_by_name(fault: str, words: str, place: int) -> None:
    """Wherever it stands, in one line that names the device, by every rule."""
    parts = [part("pi-1", 1.0), part("pi-2", 1.2)]
    parts.insert(place, broken(fault))
    for rule in ("mean", "trimmed", "median"):
        with pytest.raises(TbftError, match=words) as caught:
            merged(parts, rule)  # type: ignore[arg-type]
        assert "'pi-7' cannot be merged" in caught.value.message
        assert "\n" not in caught.value.message


def test_devices_that_did_not_move_make_nobody_far() -> None:
    """A run that found nothing better is no measure of what is usual."""
    found = merged([part("a", 0.0), part("b", 0.0), part("c", 1.0)])
    assert [share.kept for share in found.shares] == [1, 1, 1]


def test_who_has_much_to_learn_is_cut_short_and_not_refused() -> None:
    """A new device beside others that are done moves thousands of times as far, within what weights are."""
    found = merged([part("a", 1e-4), part("b", 1e-4), part("new", 1.0)])
    assert found.shares[2].kept == pytest.approx(3e-4)
    assert merged([part("a", 1e-4), part("b", 1e-4), part("late", 50.0, age=1)]).shares[2].kept < 1e-5


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(TbftError, match="nothing to merge"):
        merged([])
    with pytest.raises(TbftError, match=r"`clip` 0\.5 would"):
        merged([part("a", 1.0)], clip=0.5)
    # Else clipping is off, and nobody says so.
    for clip in (math.nan, math.inf):
        with pytest.raises(TbftError, match=rf"`clip` {clip} limits nothing"):
            merged([part("a", 1.0)], clip=clip)
    huge = {name: np.full_like(value, 3e38) for name, value in BASE.items()}
    with pytest.raises(TbftError, match="the merge has values"):
        merged(
            [
                Part(name, {**huge, "bn.mean": BASE["bn.mean"] + sign}, BASE, 1)
                for name, sign in (("a", 1e30), ("b", -1e30))
            ]
        )
