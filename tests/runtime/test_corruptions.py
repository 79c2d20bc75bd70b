"""Every corruption keeps the form of images, repeats itself, and gets stronger; what it does is tested by family."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.smooth_images import smooth_images
from tbft_artifacts.errors import TbftError
from tbft_runtime.corruptions.corrupt import CORRUPTIONS, SEVERITIES, corrupt, corruption_for, images_at_once
from tbft_runtime.corruptions.severities import CIFAR_10_C, IMAGENET_C

every_corruption = pytest.mark.parametrize("name", CORRUPTIONS)


def distance(images: np.ndarray, others: np.ndarray) -> float:
    """Mean squared difference in grey levels."""
    return float(((images.astype(float) - others) ** 2).mean())


@pytest.mark.parametrize("table", [CIFAR_10_C, IMAGENET_C])
def test_both_tables_have_every_corruption_at_five_severities(table: dict[str, list[object]]) -> None:
    """A name that is offered can be used at any severity and size."""
    assert tuple(table) == CORRUPTIONS
    assert all(len(strengths) == len(SEVERITIES) for strengths in table.values())
    assert all(len(set(strengths)) == len(SEVERITIES) for strengths in table.values())


@every_corruption
@pytest.mark.parametrize("size", [(32, 32), (8, 8), (33, 27), (9, 64), (1, 1), (2, 5)])
def test_images_keep_their_form(name: str, size: tuple[int, int]) -> None:
    """Odd, oblong and tiny images are corrupted like others; the originals stay."""
    images = smooth_images(3, *size)
    before = images.copy()
    for severity in SEVERITIES:
        corrupted = corrupt(images, name, severity, seed=1)
        assert corrupted.shape == images.shape
        assert corrupted.dtype == np.uint8
    np.testing.assert_array_equal(images, before)


@every_corruption
def test_large_images_are_corrupted(name: str) -> None:
    """224 pixels, and more than a pane of frost is large."""
    for images in (smooth_images(1, 224, 224), smooth_images(1, 40, 900)):
        corrupted = corrupt(images, name, 5, seed=0)
        assert corrupted.shape == images.shape
        assert distance(corrupted, images) > 1


@every_corruption
@pytest.mark.parametrize("image", [np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)])
def test_black_and_white_images_do_no_harm(name: str, image: np.ndarray) -> None:
    """No division by a brightness, a saturation or a maximum of nothing."""
    with np.errstate(all="raise", under="ignore"):
        for severity in SEVERITIES:
            assert corrupt(image[None], name, severity, seed=0).shape == (1, 8, 8, 3)


@every_corruption
def test_the_seed_decides(name: str) -> None:
    """The same call gives the same bytes; another seed, index or severity others, where chance has a part."""
    images = np.repeat(smooth_images(1, 32, 32), 2, axis=0)
    once = corrupt(images, name, 3, seed=5)
    np.testing.assert_array_equal(once, corrupt(images, name, 3, seed=5))
    if distance(once[0], once[1]) == 0:  # Two copies of an image: nothing is random, whatever the seed.
        np.testing.assert_array_equal(once, corrupt(images, name, 3, seed=6))
    else:
        assert distance(once, corrupt(images, name, 3, seed=6)) > 0


def test_what_is_random() -> None:
    """Corruptions that stop to draw, or start to, are noticed."""
    images = np.repeat(smooth_images(1, 32, 32), 8, axis=0)
    fixed = {name for name in CORRUPTIONS if np.ptp(corrupt(images, name, 3, seed=0), axis=0).max() == 0}
    assert fixed == {
        *("defocus_blur", "zoom_blur", "gaussian_blur"),
        *("brightness", "contrast", "saturate", "pixelate", "jpeg_compression"),
    }


@every_corruption
def test_an_image_does_not_depend_on_its_batch(name: str) -> None:
    """To the last bit: alone, in another order, and across the batches that are worked on at once."""
    count = images_at_once(32, 32) + 3
    images = smooth_images(count, 32, 32)
    together = corrupt(images, name, 4, seed=2)
    chosen = np.array([count - 1, 7, images_at_once(32, 32)])
    np.testing.assert_array_equal(corrupt(images[chosen], name, 4, 2, chosen), together[chosen])
    np.testing.assert_array_equal(corrupt(images[7:8], name, 4, 2, np.array([7])), together[7:8])


# Not every step by design: saturate takes colour away, then adds it; spatter is water, then mud; the others
# trade one of their parameters for another.
UNORDERED = {"saturate", "spatter", "elastic_transform", "glass_blur", "pixelate", "frost", "fog"}


@every_corruption
@pytest.mark.parametrize(("count", "side"), [(100, 32), (20, 96)])
def test_severity_orders(name: str, count: int, side: int) -> None:
    """A higher severity is further from the original, on the mean of some images."""
    images = smooth_images(count, side, side)
    distances = [distance(corrupt(images, name, severity, seed=0), images) for severity in SEVERITIES]
    if name not in UNORDERED:
        assert distances == sorted(distances)
    if name not in {"spatter", "elastic_transform", "saturate"}:
        assert distances[-1] > 1.3 * distances[0]


def test_larger_images_get_larger_strengths() -> None:
    """32 pixels along the longer side are the limit."""
    assert corruption_for("contrast", 5, 32, 32) == CIFAR_10_C["contrast"][4]
    assert corruption_for("contrast", 5, 33, 8) == IMAGENET_C["contrast"][4]


@given(seed=st.integers(0, 2**70), index=st.integers(0, 2**40))
def test_any_seed_and_index(seed: int, index: int) -> None:
    """Numbers of any size."""
    image = smooth_images(1, 4, 4)
    assert corrupt(image, "gaussian_noise", 1, seed, np.array([index])).shape == image.shape


def test_no_images_are_none() -> None:
    """An empty batch stays one."""
    assert corrupt(np.zeros((0, 32, 32, 3), np.uint8), "snow", 1, 0).shape == (0, 32, 32, 3)


@pytest.mark.parametrize(
    ("name", "severity", "seed", "words"),
    [
        ("gaussian", 1, 0, "no corruption 'gaussian'"),
        ("fog", 0, 0, "severity 0"),
        ("fog", 6, 0, "6"),
        ("fog", 1, -1, "-1"),
    ],
)
def test_bad_parameters_are_refused(name: str, severity: int, seed: int, words: str) -> None:
    """With the names that there are."""
    with pytest.raises(TbftError, match=words) as caught:
        corrupt(smooth_images(1, 4, 4), name, severity, seed)
    assert name == "fog" or all(known in caught.value.hint for known in CORRUPTIONS)


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 4, 4, 3), np.float32), np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4, 1), np.uint8)],
)
def test_other_arrays_are_refused(images: np.ndarray) -> None:
    """Floats, a single image, grey images."""
    with pytest.raises(TbftError, match="not uint8"):
        corrupt(images, "fog", 1, 0)
