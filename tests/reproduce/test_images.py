"""Labelled images are what they say, or are refused in one line before hours of training."""

from __future__ import annotations

import numpy as np
import pytest

from support.fake_data_sets import photos
from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.datasets.images import labelled_images

IMAGES, LABELS = photos(20)
NAMES = tuple("abcdefghij")


def test_take_keeps_images_with_their_labels() -> None:
    """A split must not separate an image from its label."""
    every = labelled_images(IMAGES, LABELS, NAMES, "here")
    taken = every.take(np.array([7, 3, 3]))
    np.testing.assert_array_equal(taken.images, IMAGES[[7, 3, 3]])
    assert taken.labels.tolist() == [7, 3, 3]
    assert (len(every), len(taken), taken.size, taken.classes) == (20, 3, 32, NAMES)


def test_without_names_classes_are_numbers() -> None:
    """A set that says no names still has classes, of 64-bit labels whatever type they had."""
    images = labelled_images(IMAGES, LABELS.astype(np.uint8), None, "here")
    assert images.classes == tuple("0123456789")
    assert images.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("images", "labels", "names", "message"),
    [
        (IMAGES.astype(np.float32), LABELS, NAMES, "float32"),
        (IMAGES[:, :16], LABELS, NAMES, r"\(20, 16, 32, 3\), not uint8 \(N, S, S, 3\)"),
        (IMAGES[..., :1], LABELS, NAMES, "not uint8"),
        (IMAGES[0], LABELS, NAMES, "not uint8"),
        (IMAGES, LABELS[:5], NAMES, r"\(5,\), not 20 integers"),
        (IMAGES, LABELS.astype(float), NAMES, "float64"),
        (IMAGES, LABELS, NAMES[:9], "label 9 of image 9 in 'here' is out of range .2 such"),
        (IMAGES, LABELS - 1, NAMES, "label -1 of image 0"),
        (IMAGES[:0], LABELS[:0], NAMES, "no images in 'here'"),
        (IMAGES, LABELS, ("a",) * 10, "names of 'here' repeat"),
    ],
)
def test_what_does_not_fit_is_refused(
    images: np.ndarray, labels: np.ndarray, names: tuple[str, ...], message: str
) -> None:
    """The message names the data and what is wrong; the hint says what would be right."""
    with pytest.raises(TbftError, match=message) as caught:
        labelled_images(images, labels, names, "here")
    assert caught.value.hint
