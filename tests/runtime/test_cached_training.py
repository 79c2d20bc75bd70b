"""Training from kept activations ends in the same weights as without, and computes them once per image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from support.bundles import compiled
from support.runs import Recorder, assert_equal_runs, fine_tune, state_of, tensors_of
from support.toys import save_squares
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_runtime import TrainOptions
from tbft_runtime.boundary import activations as boundary
from tbft_runtime.boundary.prefix import Prefix
from tbft_runtime.run.execution import PREFIX_IMAGES
from tbft_runtime.run.resolve import resolve

# Frozen and adapted statistics, the batch's behind the boundary alone, sgd and adamw; a boundary of maps, and one
# of features behind the pool.
CACHED = ("feature-frozen", "feature-adamw", "feature-adapt", "feature-block", "feature-block-int8", "output-frozen")
# 48 images: 40 train, in five batches of 7 and one of 5, and 8 validate.
OPTIONS: dict[str, Any] = {"epochs": 3, "batch_size": 7}
IMAGES = 48


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many images each run of a prefix had."""
    sizes: list[int] = []
    real = Prefix.compute

    def compute(prefix: Prefix, images: np.ndarray) -> dict[str, np.ndarray]:
        sizes.append(len(images))
        return real(prefix, images)

    monkeypatch.setattr(Prefix, "compute", compute)
    # The trial at the start computes some images more.
    monkeypatch.setattr(boundary, "depends_on_batch", lambda *_: False)
    return sizes


def limit_to(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for so many images of `feature-frozen` on the disk and in memory."""
    free = 4 * images * 4 * 8 * 8 * 4
    monkeypatch.setattr(boundary, "shutil", SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=free)))
    monkeypatch.setattr(boundary, "available_memory", lambda: free)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("bundle", CACHED)
def test_the_same_weights_bit_for_bit(bundle: str, threads: int, tmp_path: Path, squares: Path) -> None:
    """With and without a cache, on the disk and in memory, short last batches included."""
    fine_tune(bundle, squares, tmp_path / "off", cache="off", threads=threads, **OPTIONS)
    for place in ("disk", "ram"):
        result = fine_tune(bundle, squares, tmp_path / place, cache_in=place, threads=threads, **OPTIONS)
        assert_equal_runs(tmp_path / place, tmp_path / "off")
        assert (result.cache.format, result.cache.place, result.cache.cached_images) == ("fp32", place, IMAGES)


def test_the_same_weights_after_adaptation(tmp_path: Path, squares: Path) -> None:
    """On a `block` plan the prefix is fixed with the statistics that were re-estimated, and then kept."""
    for cache in ("fp32", "off"):
        fine_tune("feature-block", squares, tmp_path / cache, cache=cache, batch_norm="adapt", **OPTIONS)
    assert_equal_runs(tmp_path / "fp32", tmp_path / "off")


@pytest.mark.parametrize("bundle", CACHED)
def test_each_image_goes_through_the_prefix_once(
    bundle: str, computed: list[int], tmp_path: Path, squares: Path
) -> None:
    """Training and validation images; without a cache in every epoch."""
    fine_tune(bundle, squares, tmp_path / "run", **OPTIONS)
    assert sum(computed) == IMAGES
    computed.clear()
    fine_tune(bundle, squares, tmp_path / "off", cache="off", **OPTIONS)
    # A last layer begins in closed form, for which all are looked at once more.
    assert sum(computed) == 3 * 40 + (1 + 3) * 8 + (48 if bundle == "output-frozen" else 0)


@pytest.mark.parametrize("place", ["disk", "ram"])
@pytest.mark.parametrize("room", [0, 1, 25, 44])
def test_what_has_no_room_is_computed_again(
    room: int, place: str, computed: list[int], tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches then mix both kinds, and only those that are missing are computed; a note says so with figures."""
    fine_tune("feature-frozen", squares, tmp_path / "off", cache="off", **OPTIONS)
    computed.clear()
    limit_to(room, monkeypatch)
    recorder = Recorder()
    result = fine_tune("feature-frozen", squares, tmp_path / "run", recorder, cache_in=place, **OPTIONS)
    assert_equal_runs(tmp_path / "run", tmp_path / "off")
    # Training images come first.
    again = 3 * max(40 - room, 0) + 4 * min(8, 48 - room)
    assert sum(computed) == room + again
    assert (result.cache.cached_images, result.cache.images, result.cache.bytes) == (room, IMAGES, room * 1024)
    (note,) = recorder.notes
    assert f"{room} of 48 images" in note


@pytest.mark.parametrize("place", ["disk", "ram"])
@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize("kind", ["fp32", "fp16"])
@pytest.mark.parametrize("bundle", ["feature-adapt", "feature-block"])
def test_resumed_runs_are_the_same(
    bundle: str, kind: str, epoch: int, place: str, tmp_path: Path, squares: Path
) -> None:
    """Whatever part of the cache an interruption leaves: float16 rounds what is not kept, too."""
    options = {**OPTIONS, "cache": kind, "cache_in": place, "batch_norm": "adapt"}
    fine_tune(bundle, squares, tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(bundle, squares, tmp_path / "run", Recorder(epoch, 17), **options)
    fine_tune(bundle, squares, tmp_path / "run", resume=True)
    assert_equal_runs(tmp_path / "run", tmp_path / "whole")


def test_a_resumed_run_reads_what_it_kept(computed: list[int], tmp_path: Path, squares: Path) -> None:
    """After an epoch nothing has to be computed again."""
    with pytest.raises(KeyboardInterrupt):
        fine_tune("feature-frozen", squares, tmp_path / "run", Recorder(2, 17), **OPTIONS)
    computed.clear()
    result = fine_tune("feature-frozen", squares, tmp_path / "run", resume=True)
    assert computed == []
    assert result.cache.cached_images == IMAGES


def test_rows_of_another_board_are_not_read(
    computed: list[int], tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept is thrown away without a word, and the run goes on."""
    with pytest.raises(KeyboardInterrupt):
        fine_tune("feature-frozen", squares, tmp_path / "run", Recorder(2, 17), **OPTIONS)
    for rows in (tmp_path / "run" / "cache").glob("*.rows"):
        rows.write_bytes(b"\xff" * rows.stat().st_size)
    computed.clear()
    monkeypatch.setattr("tbft_runtime.boundary.key.processor", lambda: "another")
    recorder = Recorder()
    fine_tune("feature-frozen", squares, tmp_path / "run", recorder, resume=True)
    assert sum(computed) == IMAGES
    assert recorder.notes == []
    monkeypatch.undo()
    fine_tune("feature-frozen", squares, tmp_path / "whole", **OPTIONS)
    assert_equal_runs(tmp_path / "run", tmp_path / "whole")


def test_place_may_change_and_rounding_may_not(tmp_path: Path, squares: Path) -> None:
    """A resumed run ends in the same weights on the disk, in memory and without a cache, but not in float16."""
    fine_tune("feature-frozen", squares, tmp_path / "whole", **OPTIONS)
    run = tmp_path / "run"
    fine_tune("feature-frozen", squares, run, epochs=1, batch_size=7, cache_in="ram")
    fine_tune("feature-frozen", squares, run, epochs=2, cache_in="disk", resume=True)
    with pytest.raises(TbftError, match="`cache` fp16"):
        fine_tune("feature-frozen", squares, run, epochs=3, cache="fp16", resume=True)
    result = fine_tune("feature-frozen", squares, run, epochs=3, cache="off", resume=True)
    assert result.cache.reason == "switched off"
    assert_equal_runs(run, tmp_path / "whole")

    fine_tune("feature-frozen", squares, tmp_path / "half", epochs=1, cache="fp16")
    for other in ("fp32", "off"):
        with pytest.raises(TbftError, match=f"`cache` {other} .* has fp16"):
            fine_tune("feature-frozen", squares, tmp_path / "half", epochs=2, cache=other, resume=True)


@pytest.mark.parametrize("bundle", CACHED)
def test_half_the_size_learns_as_well(bundle: str, tmp_path: Path, squares: Path, more_squares: Path) -> None:
    """float16 rounds activations to three digits: another run, about as good, in half the space."""
    options: dict[str, Any] = {"validation": more_squares, "epochs": 12}
    whole = fine_tune(bundle, squares, tmp_path / "whole", **options)
    half = fine_tune(bundle, squares, tmp_path / "half", cache="fp16", **options)
    assert half.cache.bytes * 2 == whole.cache.bytes
    assert half.loss_after == pytest.approx(whole.loss_after, rel=0.02)
    assert half.accuracy_after == pytest.approx(whole.accuracy_after, abs=0.05)
    first, second = tensors_of(tmp_path / "whole"), tensors_of(tmp_path / "half")
    assert any(not np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("bundle", ["feature-batch", "full-batch", "input-batch"])
def test_no_cache_where_activations_change(bundle: str, tmp_path: Path, squares: Path) -> None:
    """Said once, while the run goes on, and in the result."""
    recorder = Recorder()
    result = fine_tune(bundle, squares, tmp_path / "run", recorder, epochs=1)
    reason = "batch statistics change with every batch"
    assert recorder.notes == [f"no activation cache: {reason}"]
    assert (result.cache.format, result.cache.place, result.cache.bytes) == ("off", None, 0)
    assert result.cache.reason == reason


def test_no_cache_where_nothing_is_frozen(squares: Path) -> None:
    """Training that begins at the input has nothing before it to keep."""
    bundle = open_bundle(compiled("feature-frozen"))
    settings = resolve(TrainOptions(data=squares, out=Path("unused")), bundle.plan(), bundle)
    whole = msgspec.structs.replace(bundle.plan(), prefix_forms=())
    assert boundary.why_not_fixed(whole, settings) == "nothing is frozen before the first trained layer"
    assert boundary.why_not_fixed(bundle.plan(), settings) is None


def test_nothing_is_said_of_a_cache_that_nobody_wants(tmp_path: Path, squares: Path) -> None:
    recorder = Recorder()
    result = fine_tune("full-batch", squares, tmp_path / "off", recorder, epochs=1, cache="off")
    assert result.cache.format == "off"
    result = fine_tune("feature-adapt", squares, tmp_path / "statistics", recorder, epochs=0)
    assert result.cache.reason == "nothing is trained"
    assert recorder.notes == []


def test_no_cache_where_a_batch_matters(tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that give an image other last bits in another batch make kept rows another run: better none."""
    real = Prefix.compute

    def compute(prefix: Prefix, images: np.ndarray) -> dict[str, np.ndarray]:
        activations = real(prefix, images)
        up = np.float32(np.inf)
        return (
            {name: np.nextafter(value, up) for name, value in activations.items()} if len(images) < 2 else activations
        )

    monkeypatch.setattr(Prefix, "compute", compute)
    recorder = Recorder()
    result = fine_tune("feature-frozen", squares, tmp_path / "run", recorder, **OPTIONS)
    assert result.cache.format == "off"
    assert "other images of its batch" in str(result.cache.reason)
    assert recorder.notes == [f"no activation cache: {result.cache.reason}"]
    fine_tune("feature-frozen", squares, tmp_path / "off", cache="off", **OPTIONS)
    assert_equal_runs(tmp_path / "run", tmp_path / "off")


def test_a_finished_run_keeps_no_activations(tmp_path: Path, squares: Path) -> None:
    """They show what was in the pictures. A run that is extended computes them again."""
    fine_tune("feature-frozen", squares, tmp_path / "run", epochs=1)
    assert not (tmp_path / "run" / "cache").exists()
    assert fine_tune("feature-frozen", squares, tmp_path / "run", epochs=2, resume=True).cache.cached_images == IMAGES
    again = fine_tune("feature-frozen", squares, tmp_path / "run", epochs=2, resume=True)
    assert again.cache.reason == "no epoch was left"


def test_many_images_take_no_more_memory_at_once(computed: list[int], tmp_path: Path, squares: Path) -> None:
    """However large a batch is, the prefix computes a part of it at a time."""
    fine_tune("feature-frozen", save_squares(tmp_path / "many.npz", 200), tmp_path / "run", epochs=1, batch_size=170)
    assert max(computed) == PREFIX_IMAGES
    assert sum(computed) == 200


def test_float16_saturates(tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Activations beyond what float16 holds become the largest it has: infinity would spoil the loss."""
    real = Prefix.compute

    def compute(prefix: Prefix, images: np.ndarray) -> dict[str, np.ndarray]:
        return {name: value * np.float32(1e6) for name, value in real(prefix, images).items()}

    monkeypatch.setattr(Prefix, "compute", compute)
    fine_tune("feature-frozen", squares, tmp_path / "run", cache="fp16", epochs=1, lr=1e-12)
    assert all(np.isfinite(value).all() for value in state_of(tmp_path / "run").current.values())
