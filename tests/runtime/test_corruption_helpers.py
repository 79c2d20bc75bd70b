"""What corruptions are made of: edges and distances, plasma clouds, sampling between pixels, panes of frost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_runtime.corruptions.edges import canny, distance
from tbft_runtime.corruptions.frost_panes import PANES, SIDE, frost_pane
from tbft_runtime.corruptions.plasma import plasma
from tbft_runtime.corruptions.sampling import Mirror, bilinear


def generators(count: int, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, index]) for index in range(count)]


@given(seed=st.integers(0, 1000), height=st.integers(1, 12), width=st.integers(1, 12), limit=st.integers(1, 6))
def test_distance_is_euclidean_up_to_its_limit(seed: int, height: int, width: int, limit: int) -> None:
    """Against the smallest of all distances; no edge at all means the limit."""
    edges = np.random.default_rng(seed).random((2, height, width)) < 0.1
    rows, columns = np.indices((height, width))
    for plane, found in zip(edges, distance(edges, limit), strict=True):
        expected = np.full((height, width), float(limit))
        for row, column in np.argwhere(plane):
            expected = np.minimum(expected, np.hypot(rows - row, columns - column))
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_canny_finds_the_outline_of_a_square() -> None:
    """One pixel wide, closed, and nothing elsewhere; a weak step alone is no edge."""
    image = np.zeros((2, 20, 20), np.uint8)
    image[0, 5:15, 5:15] = 200
    image[1, 5:15, 5:15] = 20
    strong, weak = canny(image, 50, 150)
    assert not weak.any()
    assert strong[4:16, 4:16].sum() == strong.sum()
    assert not strong[7:13, 7:13].any()
    for line in (strong[10], strong[:, 10]):
        assert line.sum() == 2


def test_canny_follows_a_strong_edge_where_it_fades() -> None:
    """What is above the lower threshold counts if it is connected, also diagonally, with what is above the higher."""
    image = np.zeros((1, 12, 30), np.uint8)
    image[0, 6:] = np.linspace(10, 100, 30)
    found = canny(image, 50, 150)[0]
    strengths = 4 * image[0, 6].astype(int)
    columns = found.any(axis=0)
    assert columns[strengths > 160].all()
    assert columns[(strengths > 60) & (strengths < 150)].all()
    assert not columns[strengths < 40].any()


@pytest.mark.parametrize("side", [2, 32, 256])
def test_plasma_fills_its_range(side: int) -> None:
    """From 0 to 1 in every plane, and no two alike."""
    planes = plasma(generators(3), side, 2)
    assert planes.shape == (3, side, side)
    np.testing.assert_allclose(planes.min(axis=(1, 2)), 0)
    np.testing.assert_allclose(planes.max(axis=(1, 2)), 1)
    assert len({plane.tobytes() for plane in planes}) == 3


def test_plasma_is_smoother_where_its_wobble_falls_faster() -> None:
    """And without a seam: the step over the border is like any other."""
    rough, smooth = (plasma(generators(20), 64, decay) for decay in (1.2, 3))
    assert np.abs(np.diff(smooth)).mean() < 0.5 * np.abs(np.diff(rough)).mean()
    seam = np.abs(smooth[:, :, 0] - smooth[:, :, -1]).mean()
    assert seam < 2 * np.abs(np.diff(smooth)).mean()


@given(
    seed=st.integers(0, 1000),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    border=st.sampled_from(["symmetric", "reflect"]),
)
def test_sampling_is_bilinear_in_the_mirrored_image(seed: int, height: int, width: int, border: Mirror) -> None:
    """Against np.pad's idea of the borders, far beyond them, too."""
    rng = np.random.default_rng(seed)
    images = rng.random((2, height, width, 3), np.float32)
    rows, columns = rng.uniform(-9, 9, (2, 2, 3, 4))
    found = bilinear(images, rows, columns, border)
    padded = np.pad(images, ((0, 0), (10, 15), (10, 15), (0, 0)), mode=border)
    for index in np.ndindex(2, 3, 4):
        row, column = rows[index] + 10, columns[index] + 10
        top, left = int(row), int(column)
        near = padded[index[0], top : top + 2, left : left + 2]
        weights = np.outer([1 - row + top, row - top], [1 - column + left, column - left])
        np.testing.assert_allclose(found[index], (near * weights[..., None]).sum(axis=(0, 1)), atol=1e-5)


@pytest.mark.parametrize("number", range(len(PANES)))
def test_panes_have_the_colours_and_contrasts_they_should(number: int) -> None:
    """Both sizes; ice has detail, so neighbours differ."""
    for reduction in (1, 5):
        pane = frost_pane(number, reduction)
        assert pane.shape == (SIDE // reduction, SIDE // reduction, 3)
        np.testing.assert_allclose(255 * pane.mean(axis=(0, 1)), PANES[number].colour, atol=3)
        assert 255 * pane.std(axis=(0, 1)).mean() == pytest.approx(PANES[number].deviation, abs=2)
        assert 255 * np.abs(np.diff(pane, axis=1)).mean() > 1
