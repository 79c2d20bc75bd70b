"""Log-mel features of sound, in operators that every engine has, so that host and device compute the same."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tbft_export.sources.sound import LogMelOptions

# What is added to no energy at all: its logarithm is the least value.
FLOOR = 1e-6


class LogMel:
    """Sound (N, 1, 1, L) -> (N, 1, frames, bands): log(1e-6 + mel energies), in Conv, Mul, Add, Log and Transpose.

    A frame's spectrum is two products with a Hann window (periodic) inside, cosines and sines; its energies are sums of
    the squares over triangles of HTK's mel scale, mel(f) = 2595 log10(1 + f / 700), from 0 to half the rate. Frames
    begin every `hop` samples, and none is filled up. That is torchaudio's MelSpectrogram with center=False, and
    librosa's melspectrogram with center=False, htk=True and norm=None, both with n_fft = win_length = frame.
    """

    def __init__(self, options: LogMelOptions, rate: int) -> None:
        self._hop = options.hop
        frequencies = options.frame // 2 + 1
        angles = 2 * np.pi * np.outer(np.arange(frequencies), np.arange(options.frame)) / options.frame
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(options.frame) / options.frame)
        waves = np.concatenate([np.cos(angles), -np.sin(angles)]) * hann
        bands = np.tile(mel_matrix(options.frame, options.bands, rate), 2)
        self._waves = torch.from_numpy(waves.astype(np.float32)[:, np.newaxis, np.newaxis])
        self._bands = torch.from_numpy(bands.astype(np.float32)[:, :, np.newaxis, np.newaxis])

    def __call__(self, sound: Tensor) -> Tensor:
        spectrum = functional.conv2d(sound, self._waves, stride=(1, self._hop))
        energies = functional.conv2d(spectrum * spectrum, self._bands)
        return torch.log(energies + FLOOR).permute(0, 2, 3, 1)


def mel_matrix(frame: int, bands: int, rate: int) -> np.ndarray:
    """(bands, frame // 2 + 1): triangles whose feet and tops lie evenly on the mel scale, each as high as 1."""
    hertz = np.fft.rfftfreq(frame, 1 / rate)
    corners = 700 * (10 ** (np.linspace(0, _mel(rate / 2), bands + 2) / 2595) - 1)
    widths = np.diff(corners)
    slopes = corners[:, np.newaxis] - hertz
    down = -slopes[:-2] / widths[:-1, np.newaxis]
    up = slopes[2:] / widths[1:, np.newaxis]
    return np.asarray(np.maximum(0, np.minimum(down, up)))


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def give_features(module: nn.Module, features: LogMel) -> None:
    """Let a module that takes features be given sound: they are computed ahead of its forward."""

    def compute(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        sound, *others = inputs
        return features(sound), *others

    module.register_forward_pre_hook(compute)
