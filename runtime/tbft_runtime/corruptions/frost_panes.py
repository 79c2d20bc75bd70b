"""Frosted windows, drawn: ferns of ice over a cloudy pane.

The published corruption blends photographs of frost in. These panes stand in for them: they have about
the mean colours and the contrasts of its five photographs, and crystals of the same size, but no photo's detail.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from tbft_runtime.corruptions.plasma import plasma
from tbft_runtime.corruptions.separable import blurred

# Pixels along each side of a pane.
SIDE = 640
# The power of two that covers it.
_CLOUDS = 1024
# The shade between ferns, which are darker or brighter.
_GLASS = 110
# Crystals of water grow branches at this angle.
_BRANCH_ANGLE = np.pi / 3


@dataclass(frozen=True)
class Pane:
    """Mean colour (RGB, 0 to 255), standard deviation of the brightness, how many ferns, and what part is cloud."""

    colour: tuple[int, int, int]
    deviation: int
    ferns: int
    cloud: float


PANES = (
    Pane((80, 150, 165), 20, 900, 0.5),
    Pane((200, 205, 215), 21, 1500, 0.3),
    Pane((200, 205, 215), 21, 1800, 0.2),
    Pane((140, 155, 165), 28, 1800, 0.3),
    Pane((112, 123, 135), 43, 1500, 0.3),
)


@lru_cache(maxsize=len(PANES))
def frost_pane(number: int, reduction: int) -> np.ndarray:
    """Pane `number`, every `reduction`-th pixel of it: (SIDE / reduction, SIDE / reduction, 3) float32 in [0, 1]."""
    pane = PANES[number]
    rng = np.random.default_rng(number)
    clouds = _standardised(plasma([rng], _CLOUDS, 1.3)[0, :SIDE, :SIDE])
    ice = _standardised(_ferns(pane.ferns, clouds, rng))
    texture = _standardised(pane.cloud * clouds + (1 - pane.cloud) * ice)
    texture = texture[reduction // 2 :: reduction, reduction // 2 :: reduction, None]
    colours: np.ndarray = np.clip((np.array(pane.colour) + pane.deviation * texture) / 255, 0, 1)
    return colours.astype(np.float32)


def _standardised(plane: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1."""
    centred = plane - plane.mean()
    standardised: np.ndarray = centred / centred.std()
    return standardised


def _ferns(count: int, clouds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(SIDE, SIDE) float32: ferns that grow along the levels of `clouds`, the later over the earlier."""
    picture = Image.new("L", (SIDE, SIDE), _GLASS)
    draw = ImageDraw.Draw(picture)
    for root in rng.uniform(0, SIDE, (count, 2)):
        angle = np.pi * clouds[int(root[1]), int(root[0])] + rng.normal(0, 0.4)
        _fern(draw, root, angle, length=rng.lognormal(3.3, 0.5), shade=int(rng.integers(20, 226)))
    return blurred(np.asarray(picture, np.float32), 0.6)


def _fern(draw: ImageDraw.ImageDraw, root: np.ndarray, angle: float, length: float, shade: int) -> None:
    """A stem from `root` (x, y), and branches to both sides, shorter towards the tip."""
    stem = length * _direction(angle)
    draw.line([*root, *(root + stem)], fill=shade + 30, width=2)
    shares = np.arange(0.1, 1, 4 / length)[:, None]
    starts = root + shares * stem
    for side in (-_BRANCH_ANGLE, _BRANCH_ANGLE):
        ends = starts + 0.4 * length * (1 - shares) * _direction(angle + side)
        for branch in np.hstack([starts, ends]).tolist():
            draw.line(branch, fill=shade)


def _direction(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)])
