"""Each corruption against its formula, written plainly: pixel by pixel, or with values known beforehand."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from support.smooth_images import smooth_images
from tbft_runtime.corruptions.blur import DefocusBlur, GaussianBlur, GlassBlur, MotionBlur, ZoomBlur
from tbft_runtime.corruptions.colour import Brightness, Contrast, Saturate
from tbft_runtime.corruptions.corruption import Corruption, to_bytes, to_floats
from tbft_runtime.corruptions.digital import JpegCompression, Pixelate
from tbft_runtime.corruptions.elastic import ElasticTransform
from tbft_runtime.corruptions.noise import GaussianNoise, ImpulseNoise, ShotNoise, SpeckleNoise
from tbft_runtime.corruptions.spatter import MudSpatter, WaterSpatter
from tbft_runtime.corruptions.weather import Fog, Frost, Snow

IMAGES = to_floats(smooth_images(3, 9, 12))


def applied(corruption: Corruption, images: np.ndarray = IMAGES, seed: int = 0) -> np.ndarray:
    return corruption(images, [np.random.default_rng([seed, index]) for index in range(len(images))])


def grey(level: float, count: int = 1, side: int = 64) -> np.ndarray:
    return np.full((count, side, side, 3), level, np.float32)


@pytest.mark.parametrize("level", [0.2, 0.7])
@pytest.mark.parametrize(
    ("corruption", "variance"),
    [
        (GaussianNoise(0.1), lambda _: 0.1**2),
        (SpeckleNoise(0.3), lambda x: (0.3 * x) ** 2),
        (ShotNoise(50), lambda x: x / 50),
    ],
)
def test_noise_has_the_mean_and_the_variance_of_its_formula(
    corruption: Corruption, variance: Callable[[float], float], level: float
) -> None:
    """No bias, and a variance that depends on the brightness as it should; channels differ."""
    added = applied(corruption, grey(level, 8)) - np.float32(level)
    assert abs(added.mean()) < 0.002
    assert added.var() == pytest.approx(variance(level), rel=0.03)
    assert abs(np.corrcoef(added[..., 0].ravel(), added[..., 1].ravel())[0, 1]) < 0.03


def test_impulse_noise_is_salt_and_pepper() -> None:
    """Half of the hit values are 0, half 1, the rest stays."""
    values = applied(ImpulseNoise(0.2), grey(0.5, 8))
    assert set(np.unique(values)) == {0, 0.5, 1}
    assert (values == 0).mean() == pytest.approx(0.1, rel=0.05)
    assert (values == 1).mean() == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("sigma", [0.05, 0.4, 1.0, 3.0])
def test_gaussian_blur_is_the_convolution(sigma: float) -> None:
    """Every pixel a weighted mean of its neighbours, the edge continued, up to four sigmas away."""
    image, radius = IMAGES[0], int(4 * sigma + 0.5)
    offsets = range(-radius, radius + 1)
    expected = np.zeros_like(image)
    for row, column in np.ndindex(image.shape[:2]):
        total = 0.0
        for down in offsets:
            for right in offsets:
                weight = np.exp(-(down**2 + right**2) / (2 * sigma**2))
                near = image[np.clip(row + down, 0, 8), np.clip(column + right, 0, 11)]
                expected[row, column] += weight * near
                total += weight
        expected[row, column] /= total
    np.testing.assert_allclose(applied(GaussianBlur(sigma))[0], expected, atol=1e-5)


def test_defocus_is_the_mean_over_a_disk() -> None:
    """With a hard rim, and the image mirrored outside."""
    image = np.pad(IMAGES[0], ((2, 2), (2, 2), (0, 0)), mode="reflect")
    expected = np.mean(
        [
            image[2 + down : 11 + down, 2 + right : 14 + right]
            for down in range(-2, 3)
            for right in range(-2, 3)
            if down**2 + right**2 <= 4
        ],
        axis=0,
    )
    np.testing.assert_allclose(applied(DefocusBlur(2, 0.05))[0], expected, atol=1e-5)


@pytest.mark.parametrize("corruption", [GaussianBlur(2), DefocusBlur(3, 0.5), MotionBlur(10, 3), ZoomBlur(1.3, 0.1)])
def test_blur_keeps_flat_images(corruption: Corruption) -> None:
    """Weights add up to 1, also at the edge."""
    np.testing.assert_allclose(applied(corruption, grey(0.6, side=11)), 0.6, atol=1e-5)


def test_motion_blur_is_one_sided_and_at_most_45_degrees_steep() -> None:
    """A bright point leaves a trace that falls as a Gaussian, to its left, and not higher than wide."""
    images = np.zeros((64, 41, 41, 3), np.float32)
    images[:, 20, 20] = 1
    traces = applied(MotionBlur(6, 2), images)[..., 0]
    assert traces[:, :, 21:].max() == 0
    weights = np.exp(-0.5 * (np.arange(13) / 2) ** 2)
    np.testing.assert_allclose(traces[:, 20, 20], weights[0] / weights.sum(), rtol=1e-3)
    np.testing.assert_allclose(traces.sum(axis=(1, 2)), 1, atol=1e-4)
    rows, columns = (np.abs(numbers - 20) for numbers in traces.nonzero()[1:])
    assert (rows <= columns).all()
    assert rows.max() > 3
    # Steps along the line are of the length of a pixel, so in a row each weight has its place.
    flattest = traces[np.argmax(traces[:, 20].sum(axis=1)), 20]
    assert flattest[20] > flattest[19] > flattest[18] > 0


def test_zoom_blur_spreads_what_is_far_from_the_middle() -> None:
    """An edge near the middle stays sharp; one near the border is smeared over the pixels that it moved."""
    images = np.zeros((1, 33, 33, 3), np.float32)
    images[:, :, 16:28] = 1
    row = applied(ZoomBlur(1.16, 0.01), images)[0, 8, :, 0]
    assert row[15] < 0.4
    assert row[17] > 0.95
    assert 0 < row[29] < row[28] < 1


def test_zoom_puts_pixels_where_they_belong() -> None:
    """1.25 times: the middle 8 of 10 pixels, spread over 10; the first and the last meet."""
    row = np.random.default_rng(0).random(10).astype(np.float32)
    images = np.broadcast_to(row[None, None, :, None], (1, 10, 10, 3))
    expected = [np.interp(1 + 7 * pixel / 9, np.arange(10), row) for pixel in range(10)]
    # The mean of the image, of its enlargement by 1, and of that by 1.25.
    found = applied(ZoomBlur(1.26, 0.25), images)[0, 5, :, 0]
    np.testing.assert_allclose(found, (2 * row + expected) / 3, atol=1e-6)


def test_zoom_blur_of_a_ramp() -> None:
    """Linear interpolation keeps a line a line: its slope falls by the mean of 1 / zoom."""
    ramp = np.broadcast_to(np.linspace(0, 1, 101, dtype=np.float32)[:, None], (1, 101, 101, 3))
    factors = [1, *np.arange(1, 1.31, 0.1)]
    slopes = np.diff(applied(ZoomBlur(1.31, 0.1), ramp)[0, 50, :, 0])
    assert slopes.mean() == pytest.approx(0.01 * np.mean([1 / factor for factor in factors]), rel=0.02)


def test_glass_takes_pixels_from_nearby() -> None:
    """Without blur: every pixel is one of those within its reach, those at the edge stay, and most move."""
    count = 15 * 17
    image = np.repeat(np.arange(count, dtype=np.float32).reshape(1, 15, 17, 1) / 255, 3, axis=3)
    shuffled = np.rint(applied(GlassBlur(0.05, 2, 1), image)[0, :, :, 0] * 255).astype(int)
    rows, columns = np.divmod(shuffled, 17)
    down, right = rows - np.arange(15)[:, None], columns - np.arange(17)
    assert (down == 0)[:3].all()
    assert (down == 0)[14:].all()
    assert (down[3:14, 3:16] != 0).mean() > 0.4
    assert down.min() < -1
    assert right.min() < -1
    # Copied, not swapped: some pixels are there twice, others are gone.
    assert len(np.unique(shuffled)) < count


def test_glass_of_reach_one_looks_up_and_left() -> None:
    """Offsets are −1 and 0, so one round takes each pixel from the original."""
    image = np.repeat(np.arange(100, dtype=np.float32).reshape(1, 10, 10, 1) / 255, 3, axis=3)
    shuffled = np.rint(applied(GlassBlur(0.05, 1, 1), image)[0, :, :, 0] * 255).astype(int)
    assert set(np.unique(np.arange(100).reshape(10, 10) - shuffled)) == {0, 1, 10, 11}


def test_brightness_and_saturation_are_those_of_hsv() -> None:
    """As the standard library computes them, black, white and grey included."""
    extremes = [[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0], [0.2, 0.9, 0.4]]
    images = np.concatenate([IMAGES[0].reshape(-1, 3), np.array(extremes, np.float32)])[None, None]
    brighter, coloured = applied(Brightness(0.3), images)[0, 0], applied(Saturate(2, 0.1), images)[0, 0]
    for pixel, bright, colour in zip(images[0, 0].tolist(), brighter, coloured, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        np.testing.assert_allclose(bright, colorsys.hsv_to_rgb(hue, saturation, min(value + 0.3, 1)), atol=1e-5)
        more = min(saturation * 2 + 0.1, 1)
        np.testing.assert_allclose(colour, colorsys.hsv_to_rgb(hue, more, value), atol=1e-5)


def test_contrast_shrinks_the_distance_to_the_mean() -> None:
    """Channel by channel; the mean stays."""
    changed = applied(Contrast(0.3))
    means = IMAGES.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(changed, means + 0.3 * (IMAGES - means), atol=1e-6)


def test_jpeg_is_pillows() -> None:
    """Byte for byte."""
    file = BytesIO()
    Image.fromarray(to_bytes(IMAGES)[1]).save(file, "JPEG", quality=40)
    expected = np.asarray(Image.open(file))
    np.testing.assert_array_equal(to_bytes(applied(JpegCompression(40)))[1], expected)


def test_pixelate_makes_blocks_of_means() -> None:
    """A quarter of the pixels in each direction: every block of four by four is its mean."""
    images = to_floats(smooth_images(1, 16, 24))
    blocks = to_bytes(images)[0].reshape(4, 4, 6, 4, 3).mean(axis=(1, 3))
    expected = np.repeat(np.repeat(blocks, 4, axis=0), 4, axis=1)
    np.testing.assert_allclose(
        to_bytes(applied(Pixelate(0.25), images))[0], expected, atol=1
    )  # Pillow rounds rows, then columns.


def test_elastic_without_strength_changes_nothing() -> None:
    """Neither map nor displacement."""
    np.testing.assert_allclose(applied(ElasticTransform(0, 0, 0)), IMAGES, atol=1e-5)


def test_the_affine_part_keeps_lines() -> None:
    """A plane of brightness stays a plane where the map does not reach beyond the edge."""
    rows, columns = np.arange(41)[:, None] / 80, np.arange(41) / 80
    images = np.repeat((rows + columns).astype(np.float32)[None, ..., None], 3, axis=3)
    middle = applied(ElasticTransform(0, 0, 0.06), images)[0, 13:28, 13:28, 0]
    bends = np.diff(middle, 2, axis=0), np.diff(middle, 2, axis=1)
    assert max(np.abs(bend).max() for bend in bends) < 1e-5
    assert np.abs(middle - images[0, 13:28, 13:28, 0]).max() > 0.005


def test_displacement_is_as_long_as_alpha_says() -> None:
    """With a ramp as image the displacement can be read off: small after much blur, at most alpha."""
    side = 50
    ramp = np.broadcast_to((np.arange(side, dtype=np.float32) / side)[:, None], (4, side, side, 3))
    moved = (applied(ElasticTransform(0.1, 0.04, 0), ramp) - ramp)[:, 10:40, 10:40, 0] * side
    # The blurred field of U(-1, 1) has variance 1/3 · 1 / (4 pi sigma²), sigma being 2 pixels here.
    assert moved.std() == pytest.approx(0.1 * side * np.sqrt(1 / 3 / (4 * np.pi * 4)), rel=0.15)
    assert np.abs(moved).max() < 0.1 * side


def test_snow_only_brightens() -> None:
    """Flakes are added twice, the second time turned; without flakes the image pales by the formula."""
    images = to_floats(smooth_images(2, 24, 24))
    calm = applied(Snow(-9, 0.1, 1, 0.5, 8, 3, 0.8), images)
    luma = (images * [0.299, 0.587, 0.114]).sum(axis=3, keepdims=True)
    np.testing.assert_allclose(calm, 0.8 * images + 0.2 * np.maximum(images, 1.5 * luma + 0.5), atol=1e-5)
    flakes = applied(Snow(0.3, 0.3, 1.25, 0.65, 14, 12, 0.8), images) - calm
    assert flakes.min() > -1e-5
    assert flakes.max() > 0.1
    np.testing.assert_allclose(flakes, flakes[:, ::-1, ::-1], atol=1e-5)


def test_fog_keeps_the_brightest_value_as_the_limit() -> None:
    """Clouds go from 0 to 1, so a flat image covers exactly the range of the formula."""
    foggy = applied(Fog(1.5, 1.75), grey(0.6, side=64))
    assert foggy.min() == pytest.approx(0.6 * 0.6 / 2.1, rel=1e-4)
    assert foggy.max() == pytest.approx(0.6, rel=1e-4)
    np.testing.assert_array_equal(foggy[..., 0], foggy[..., 2])


def test_frost_blends_a_pane_in() -> None:
    """The same pane whatever the image, of the panes' brightness."""
    dark, bright = applied(Frost(0.6, 0.75, 1), grey(0)), applied(Frost(0.6, 0.75, 1), grey(0.5))
    np.testing.assert_allclose(bright - dark, 0.3, atol=1e-6)
    panes = applied(Frost(0, 1, 5), grey(0, 200, 32))
    assert panes.min() >= 0
    assert panes.max() <= 1
    assert 0.5 < panes.mean() < 0.65
    assert 0.05 < panes.std(axis=(1, 2)).mean() < 0.2


def test_water_adds_pale_turquoise_and_mud_covers_with_brown() -> None:
    """The colours that are added, as strong as they may be, and untouched pixels beside them."""
    drops = applied(WaterSpatter(0.65, 0.3, 2, 0.68, 0.5), grey(0.3, 4)) - np.float32(0.3)
    assert (drops == 0).any()
    np.testing.assert_allclose(
        drops.max(axis=(1, 2)), np.tile([0.5 * 175 / 255, 0.5 * 238 / 255, 0.5 * 238 / 255], (4, 1)), rtol=1e-3
    )
    muddy = applied(MudSpatter(0.65, 0.3, 1, 0.65, 1.5), grey(0.9, 4))
    cover = (0.9 - muddy[..., 0]) / (0.9 - 63 / 255)
    assert cover[cover > 1e-6].min() >= 0.8 - 1e-5
    assert 0.05 < (cover > 0).mean() < 0.6
    np.testing.assert_allclose(muddy[..., 2], 0.9 - cover * (0.9 - 20 / 255), atol=1e-5)


def test_bytes_are_cut_off_and_survive_the_way_there_and_back() -> None:
    """As in CIFAR-10-C, 0.999 levels are none; every byte stays itself."""
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_bytes(to_floats(every)), every)
    np.testing.assert_array_equal(to_bytes(np.array([-1, 0.9 / 255, 1.5 / 255, 2])), [0, 0, 1, 255])
