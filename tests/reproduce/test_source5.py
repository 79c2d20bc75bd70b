"""source5: five classes to train on, and five others that take their labels in the field."""

from __future__ import annotations

import numpy as np
import pytest

from support.fake_data_sets import photos
from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.datasets.cifar10 import CLASSES as CIFAR10_CLASSES
from tbft_edge.reproduce.datasets.images import labelled_images
from tbft_edge.reproduce.datasets.source5 import CLASSES, field_images, source_images

IMAGES, LABELS = photos(40)
CIFAR10 = labelled_images(IMAGES, LABELS, CIFAR10_CLASSES, "here")


def test_source_and_field_share_no_image() -> None:
    """Every image is in one of the two, with its pixels, in the order it came."""
    source, field = source_images(CIFAR10, "here"), field_images(CIFAR10, "here")
    assert len(source) == len(field) == 20
    np.testing.assert_array_equal(source.images, IMAGES[LABELS < 5])
    np.testing.assert_array_equal(field.images, IMAGES[LABELS >= 5])
    assert source.classes == field.classes == CLASSES == ("airplane", "automobile", "bird", "cat", "deer")


def test_what_stands_in_for_what() -> None:
    """ship for airplane, truck for automobile, frog for bird, dog for cat, horse for deer."""
    meant = dict(zip(LABELS[LABELS >= 5].tolist(), field_images(CIFAR10, "here").labels.tolist(), strict=False))
    assert meant == {8: 0, 9: 1, 6: 2, 5: 3, 7: 4}
    np.testing.assert_array_equal(source_images(CIFAR10, "here").labels, LABELS[LABELS < 5])


def test_unnamed_labels_are_taken_as_cifar10s() -> None:
    """An npz without class names is labelled by number."""
    unnamed = labelled_images(IMAGES, LABELS, None, "here")
    np.testing.assert_array_equal(field_images(unnamed, "here").labels, field_images(CIFAR10, "here").labels)


def test_missing_classes_are_named() -> None:
    """Five classes cannot be had from a part of CIFAR-10."""
    few = CIFAR10.take(np.flatnonzero(~np.isin(LABELS, [5, 7])))
    with pytest.raises(TbftError, match="'here' has no image of dog, horse"):
        field_images(few, "here")
    with pytest.raises(TbftError, match="the classes of 'here' are x"):
        source_images(labelled_images(IMAGES[:1], LABELS[:1], ("x",), "here"), "here")
