"""The strengths of every corruption, from severity 1 to 5.

Parameters of the public code of Hendrycks & Dietterich (2019), github.com/hendrycks/robustness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tbft_runtime.corruptions.blur import DefocusBlur, GaussianBlur, GlassBlur, MotionBlur, ZoomBlur
from tbft_runtime.corruptions.colour import Brightness, Contrast, Saturate
from tbft_runtime.corruptions.corruption import Corruption
from tbft_runtime.corruptions.digital import JpegCompression, Pixelate
from tbft_runtime.corruptions.elastic import ElasticTransform
from tbft_runtime.corruptions.noise import GaussianNoise, ImpulseNoise, ShotNoise, SpeckleNoise
from tbft_runtime.corruptions.spatter import MudSpatter, WaterSpatter
from tbft_runtime.corruptions.weather import Fog, Frost, Snow

Severities = Mapping[str, Sequence[Corruption]]

# For images of 32 pixels.
CIFAR_10_C: Severities = {
    "gaussian_noise": [GaussianNoise(sigma) for sigma in (0.04, 0.06, 0.08, 0.09, 0.10)],
    "shot_noise": [ShotNoise(photons) for photons in (500, 250, 100, 75, 50)],
    "impulse_noise": [ImpulseNoise(amount) for amount in (0.01, 0.02, 0.03, 0.05, 0.07)],
    "defocus_blur": [
        DefocusBlur(0.3, 0.4),
        DefocusBlur(0.4, 0.5),
        DefocusBlur(0.5, 0.6),
        DefocusBlur(1, 0.2),
        DefocusBlur(1.5, 0.1),
    ],
    "glass_blur": [
        GlassBlur(0.05, 1, 1),
        GlassBlur(0.25, 1, 1),
        GlassBlur(0.4, 1, 1),
        GlassBlur(0.25, 1, 2),
        GlassBlur(0.4, 1, 2),
    ],
    "motion_blur": [
        MotionBlur(6, 1),
        MotionBlur(6, 1.5),
        MotionBlur(6, 2),
        MotionBlur(8, 2),
        MotionBlur(9, 2.5),
    ],
    "zoom_blur": [ZoomBlur(limit, 0.01) for limit in (1.06, 1.11, 1.16, 1.21, 1.26)],
    "snow": [
        Snow(0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        Snow(0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        Snow(0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        Snow(0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        Snow(0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ],
    "frost": [
        Frost(1, 0.2, reduction=5),
        Frost(1, 0.3, reduction=5),
        Frost(0.9, 0.4, reduction=5),
        Frost(0.85, 0.4, reduction=5),
        Frost(0.75, 0.45, reduction=5),
    ],
    "fog": [Fog(0.2, 3), Fog(0.5, 3), Fog(0.75, 2.5), Fog(1, 2), Fog(1.5, 1.75)],
    "brightness": [Brightness(added) for added in (0.05, 0.1, 0.15, 0.2, 0.3)],
    "contrast": [Contrast(factor) for factor in (0.75, 0.5, 0.4, 0.3, 0.15)],
    "elastic_transform": [
        ElasticTransform(0, 0, 0.08),
        ElasticTransform(0.05, 0.2, 0.07),
        ElasticTransform(0.08, 0.06, 0.06),
        ElasticTransform(0.1, 0.04, 0.05),
        ElasticTransform(0.1, 0.03, 0.03),
    ],
    "pixelate": [Pixelate(share) for share in (0.95, 0.9, 0.85, 0.75, 0.65)],
    "jpeg_compression": [JpegCompression(quality) for quality in (80, 65, 58, 50, 40)],
    "speckle_noise": [SpeckleNoise(sigma) for sigma in (0.06, 0.1, 0.12, 0.16, 0.2)],
    "gaussian_blur": [GaussianBlur(sigma) for sigma in (0.4, 0.6, 0.7, 0.8, 1)],
    "spatter": [
        WaterSpatter(0.62, 0.1, 0.7, 0.7, 0.5),
        WaterSpatter(0.65, 0.1, 0.8, 0.7, 0.5),
        WaterSpatter(0.65, 0.3, 1, 0.69, 0.5),
        MudSpatter(0.65, 0.1, 0.7, 0.69, 0.6),
        MudSpatter(0.65, 0.1, 0.5, 0.68, 0.6),
    ],
    "saturate": [Saturate(0.3, 0), Saturate(0.1, 0), Saturate(1.5, 0), Saturate(2, 0.1), Saturate(2.5, 0.2)],
}

# The public code takes 244 for the side of images of 224 pixels in elastic_transform.
_SIDE = 244 / 224

# For larger images; lengths are in pixels of images of 224.
IMAGENET_C: Severities = {
    "gaussian_noise": [GaussianNoise(sigma) for sigma in (0.08, 0.12, 0.18, 0.26, 0.38)],
    "shot_noise": [ShotNoise(photons) for photons in (60, 25, 12, 5, 3)],
    "impulse_noise": [ImpulseNoise(amount) for amount in (0.03, 0.06, 0.09, 0.17, 0.27)],
    "defocus_blur": [
        DefocusBlur(3, 0.1),
        DefocusBlur(4, 0.5),
        DefocusBlur(6, 0.5),
        DefocusBlur(8, 0.5),
        DefocusBlur(10, 0.5),
    ],
    "glass_blur": [
        GlassBlur(0.7, 1, 2),
        GlassBlur(0.9, 2, 1),
        GlassBlur(1, 2, 3),
        GlassBlur(1.1, 3, 2),
        GlassBlur(1.5, 4, 2),
    ],
    "motion_blur": [
        MotionBlur(10, 3),
        MotionBlur(15, 5),
        MotionBlur(15, 8),
        MotionBlur(15, 12),
        MotionBlur(20, 15),
    ],
    "zoom_blur": [
        ZoomBlur(1.11, 0.01),
        ZoomBlur(1.16, 0.01),
        ZoomBlur(1.21, 0.02),
        ZoomBlur(1.26, 0.02),
        ZoomBlur(1.31, 0.03),
    ],
    "snow": [
        Snow(0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        Snow(0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        Snow(0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        Snow(0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        Snow(0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ],
    "frost": [
        Frost(1, 0.4, reduction=1),
        Frost(0.8, 0.6, reduction=1),
        Frost(0.7, 0.7, reduction=1),
        Frost(0.65, 0.7, reduction=1),
        Frost(0.6, 0.75, reduction=1),
    ],
    "fog": [Fog(1.5, 2), Fog(2, 2), Fog(2.5, 1.7), Fog(2.5, 1.5), Fog(3, 1.4)],
    "brightness": [Brightness(added) for added in (0.1, 0.2, 0.3, 0.4, 0.5)],
    "contrast": [Contrast(factor) for factor in (0.4, 0.3, 0.2, 0.1, 0.05)],
    "elastic_transform": [
        ElasticTransform(2 * _SIDE, 0.7 * _SIDE, 0.1 * _SIDE),
        ElasticTransform(2 * _SIDE, 0.08 * _SIDE, 0.2 * _SIDE),
        ElasticTransform(0.05 * _SIDE, 0.01 * _SIDE, 0.02 * _SIDE),
        ElasticTransform(0.07 * _SIDE, 0.01 * _SIDE, 0.02 * _SIDE),
        ElasticTransform(0.12 * _SIDE, 0.01 * _SIDE, 0.02 * _SIDE),
    ],
    "pixelate": [Pixelate(share) for share in (0.6, 0.5, 0.4, 0.3, 0.25)],
    "jpeg_compression": [JpegCompression(quality) for quality in (25, 18, 15, 10, 7)],
    "speckle_noise": [SpeckleNoise(sigma) for sigma in (0.15, 0.2, 0.35, 0.45, 0.6)],
    "gaussian_blur": [GaussianBlur(sigma) for sigma in (1, 2, 3, 4, 6)],
    "spatter": [
        WaterSpatter(0.65, 0.3, 4, 0.69, 0.6),
        WaterSpatter(0.65, 0.3, 3, 0.68, 0.6),
        WaterSpatter(0.65, 0.3, 2, 0.68, 0.5),
        MudSpatter(0.65, 0.3, 1, 0.65, 1.5),
        MudSpatter(0.67, 0.4, 1, 0.65, 1.5),
    ],
    "saturate": [Saturate(0.3, 0), Saturate(0.1, 0), Saturate(2, 0), Saturate(5, 0.1), Saturate(20, 0.2)],
}
