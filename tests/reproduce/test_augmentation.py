"""Random crops and mirror images."""

from __future__ import annotations

import numpy as np

from tbft_edge.reproduce.augmentation import PADDING, augmentation_rng, augmented


def test_augmented_images_are_pieces_of_the_padded_ones() -> None:
    """Each is the old one moved by at most the padding, mirrored or not; all of that happens, and by seed alone."""
    rng = np.random.default_rng(0)
    image = rng.integers(1, 256, (6, 6, 3), np.uint8)
    images = np.repeat(image[None], 300, axis=0)
    found = augmented(images, np.random.default_rng(1))
    assert np.array_equal(found, augmented(images, np.random.default_rng(1)))
    padded = np.pad(image, ((PADDING, PADDING), (PADDING, PADDING), (0, 0)))
    pieces = [
        padded[down : down + 6, right : right + 6]
        for down in range(2 * PADDING + 1)
        for right in range(2 * PADDING + 1)
    ]
    possible = {piece.tobytes() for piece in pieces} | {piece[:, ::-1].tobytes() for piece in pieces}
    seen = {piece.tobytes() for piece in found}
    assert seen <= possible
    assert len(seen) > len(possible) / 2
    assert np.array_equal(images[0], image)


def test_each_epoch_has_a_chance_of_its_own() -> None:
    """The same again for the same seed and epoch, and another for another."""
    draws = {augmentation_rng(seed, epoch).random() for seed in (0, 1) for epoch in (1, 2)}
    assert len(draws) == 4
    assert augmentation_rng(0, 1).random() in draws
