"""Pools hold what their scenario says, no label, and no image that is tested on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_edge.reproduce.datasets.images import LabelledImages
from tbft_edge.reproduce.pools import Pool, Shift, pool_parts
from tbft_runtime.corruptions.corrupt import corrupt

EACH, CLASSES, TESTED = 12, 5, 20
NO_SHIFT = ()
FOG, NOISE = Shift(("fog",), 5), Shift(("gaussian_noise",), 5)


def clean() -> LabelledImages:
    """Each image's first pixel is its number, which tells it apart."""
    count = EACH * CLASSES
    images = np.zeros((count, 8, 8, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    return LabelledImages(images, np.arange(count) % CLASSES, tuple("abcde"))


def numbers(images: np.ndarray) -> list[int]:
    return [int(image[0, 0, 0]) for image in images]


@settings(max_examples=30)
@given(images=st.integers(1, 30), draw=st.integers(0, 50), by_class=st.booleans())
def test_a_pool_has_no_label_and_shares_no_image(images: int, draw: int, *, by_class: bool) -> None:
    pool = Pool(images, NO_SHIFT, draw, by_class=by_class)
    parts = pool_parts(clean(), pool, TESTED, "photos")
    assert parts.validation is None
    assert set(parts.train.labels.tolist()) == {NO_LABEL}
    pooled, tested = numbers(parts.train.images), numbers(parts.test.images)
    assert len(set(pooled)) == images
    assert not set(pooled) & set(tested)
    assert np.bincount(parts.test.labels).tolist() == [TESTED // CLASSES] * CLASSES
    assert [number % CLASSES for number in tested] == parts.test.labels.tolist()


@given(st.integers(0, 50))
def test_pools_of_a_draw_grow_and_are_tested_on_the_same_images(draw: int) -> None:
    """Otherwise a column would differ from the next one by the luck of its images."""
    few, many = (pool_parts(clean(), Pool(images, (FOG,), draw), TESTED, "photos") for images in (5, 20))
    np.testing.assert_array_equal(few.train.images, many.train.images[:5])
    np.testing.assert_array_equal(few.test.images, many.test.images)


def test_draws_are_others() -> None:
    first, second = (pool_parts(clean(), Pool(20, NO_SHIFT, draw), TESTED, "photos") for draw in (0, 1))
    assert numbers(first.train.images) != numbers(second.train.images)
    assert numbers(first.test.images) != numbers(second.test.images)


def test_few_classes_are_in_the_pool_and_all_are_tested() -> None:
    parts = pool_parts(clean(), Pool(10, NO_SHIFT, 0, classes=(1, 3)), TESTED, "photos")
    assert {number % CLASSES for number in numbers(parts.train.images)} == {1, 3}
    assert set(parts.test.labels.tolist()) == set(range(CLASSES))


def test_the_order_of_classes_is_the_same_images() -> None:
    pool = Pool(20, NO_SHIFT, 0)
    random, by_class = (pool_parts(clean(), each, TESTED, "photos") for each in (pool, replace(pool, by_class=True)))
    assert sorted(numbers(random.train.images)) == sorted(numbers(by_class.train.images))
    classes = [number % CLASSES for number in numbers(by_class.train.images)]
    assert classes == sorted(classes)
    assert [number % CLASSES for number in numbers(random.train.images)] != classes


def test_domains_take_turns_and_shifts_overlap_in_their_order() -> None:
    photos = LabelledImages(
        np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8), clean().labels, ("a",) * 5
    )
    plain, mixed, overlapping = (
        pool_parts(photos, Pool(6, shifts, 0), TESTED, "photos").train.images
        for shifts in (NO_SHIFT, (FOG, NOISE), (Shift(("fog", "gaussian_noise"), 3),))
    )
    place = [int(np.flatnonzero((photos.images == image).all((1, 2, 3)))[0]) for image in plain]
    for turn, name in enumerate(("fog", "gaussian_noise")):
        wanted = corrupt(plain[turn::2], name, 5, 0, np.array(place[turn::2]))
        np.testing.assert_array_equal(mixed[turn::2], wanted)
    foggy = corrupt(plain, "fog", 3, 0, np.array(place))
    np.testing.assert_array_equal(overlapping, corrupt(foggy, "gaussian_noise", 3, 0, np.array(place)))


@pytest.mark.parametrize("pool", [Pool(41, NO_SHIFT, 0), Pool(9, NO_SHIFT, 0, classes=(2,))])
def test_too_few_images_are_said_so(pool: Pool) -> None:
    with pytest.raises(TbftError, match="'photos' has too few images"):
        pool_parts(clean(), pool, TESTED, "photos")
