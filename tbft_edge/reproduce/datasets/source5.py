"""source5: a stand-in for Living17 that needs no ImageNet.

A model of five of CIFAR-10's classes meets, in the field, a subclass of each that it never saw.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.datasets.cifar10 import CLASSES as CIFAR10_CLASSES
from tbft_edge.reproduce.datasets.cifar10 import as_cifar10
from tbft_edge.reproduce.datasets.downloads import CIFAR10
from tbft_edge.reproduce.datasets.images import LabelledImages

CLASSES = CIFAR10_CLASSES[:5]
FIELD = {"ship": "airplane", "truck": "automobile", "frog": "bird", "dog": "cat", "horse": "deer"}


def source_images(cifar10: LabelledImages, where: object) -> LabelledImages:
    """What the model was trained on: airplane, automobile, bird, cat, deer.

    Raises TbftError if the images are not labelled as CIFAR-10 is, or a class is missing; `where` names them.
    """
    return _pick(cifar10, {name: name for name in CLASSES}, where)


def field_images(cifar10: LabelledImages, where: object) -> LabelledImages:
    """What it meets: ship, truck, frog, dog, horse, labelled as the class they stand in for. Raises as above."""
    return _pick(cifar10, FIELD, where)


def _pick(cifar10: LabelledImages, meaning: Mapping[str, str], where: object) -> LabelledImages:
    """The images whose class is in `meaning`, in their order, with the labels of what they mean."""
    named = as_cifar10(cifar10, where)
    labels = np.full(len(CIFAR10_CLASSES), -1)
    for name, target in meaning.items():
        labels[CIFAR10_CLASSES.index(name)] = CLASSES.index(target)
    missing = [name for name in meaning if CIFAR10_CLASSES.index(name) not in named.labels]
    if missing:
        raise TbftError(f"'{where}' has no image of {', '.join(missing)}", CIFAR10)
    picked = np.flatnonzero(labels[named.labels] >= 0)
    return LabelledImages(named.images[picked], labels[named.labels[picked]], CLASSES)
