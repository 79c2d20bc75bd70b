"""Log-mel features are what the formulas say, in PyTorch and in the compiled graph, and those of known packages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from support.refusals import refusal
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.input_shape import InputShape
from tbft_artifacts.plan import PREDICT
from tbft_artifacts.preprocessing import Sound, Standardize
from tbft_export import ExportOptions, export_bundle
from tbft_export.graph.sessions import Session
from tbft_export.sources.log_mel import FLOOR, LogMel, mel_matrix
from tbft_export.sources.sound import LogMelOptions, SoundOptions

RATE, LENGTH = 16000, 4000
OPTIONS = LogMelOptions(frame=640, hop=320, bands=10)


def sounds(count: int = 3) -> np.ndarray:
    """(N, L) float32 between -1 and 1: tones in noise."""
    rng = np.random.default_rng(0)
    time = np.arange(LENGTH) / RATE
    tones = [np.sin(2 * np.pi * frequency * time) for frequency in (200, 1100, 5000)[:count]]
    return np.asarray(0.3 * np.stack(tones) + 0.05 * rng.standard_normal((count, LENGTH)), np.float32)


def by_formula(sound: np.ndarray, options: LogMelOptions, rate: int) -> np.ndarray:
    """(N, frames, bands) in double: numpy's own Fourier transform, and each triangle written out."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(options.frame) / options.frame)
    begins = range(0, sound.shape[1] - options.frame + 1, options.hop)
    frames = np.stack([sound[:, begin : begin + options.frame] * window for begin in begins], axis=1)
    power = np.abs(np.fft.rfft(frames)) ** 2
    hertz = np.fft.rfftfreq(options.frame, 1 / rate)
    top = 2595 * np.log10(1 + rate / 2 / 700)
    corners = [700 * (10 ** (top * index / (options.bands + 1) / 2595) - 1) for index in range(options.bands + 2)]
    bands = np.stack(
        [
            np.clip(np.minimum((hertz - low) / (peak - low), (high - hertz) / (high - peak)), 0, None)
            for low, peak, high in zip(corners, corners[1:], corners[2:], strict=False)
        ]
    )
    return np.asarray(np.log(power @ bands.T + FLOOR))


@pytest.mark.parametrize("options", [OPTIONS, LogMelOptions(400, 160, 40), LogMelOptions(255, 100, 7)])
def test_features_are_what_the_formulas_say(options: LogMelOptions) -> None:
    """Frames of even and odd length; as many of each as the shape says."""
    found = LogMel(options, RATE)(torch.from_numpy(sounds())[:, None, None]).numpy()
    expected = by_formula(sounds().astype(np.float64), options, RATE)
    assert found.shape[1:] == options.shape(LENGTH)
    np.testing.assert_allclose(found[:, 0], expected, atol=2e-3)


def test_a_tone_is_loudest_in_its_own_band() -> None:
    found = LogMel(OPTIONS, RATE)(torch.from_numpy(sounds())[:, None, None]).mean(dim=(0, 1, 2)).numpy()
    assert found.shape == (10,)
    bands = LogMel(OPTIONS, RATE)(torch.from_numpy(sounds())[:, None, None]).mean(dim=2)[:, 0].argmax(1).tolist()
    centres = mel_matrix(640, 10, RATE).argmax(axis=1) * RATE / 640
    assert [abs(centres - tone).argmin() for tone in (200, 1100, 5000)] == bands


def test_torchaudio_makes_the_same() -> None:
    transforms = pytest.importorskip("torchaudio.transforms")
    mel = transforms.MelSpectrogram(RATE, n_fft=640, hop_length=320, n_mels=10, center=False)
    expected = torch.log(mel(torch.from_numpy(sounds())) + FLOOR).transpose(1, 2)
    found = LogMel(OPTIONS, RATE)(torch.from_numpy(sounds())[:, None, None])[:, 0]
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


def test_librosa_makes_the_same() -> None:
    feature = pytest.importorskip("librosa.feature")
    kinds = {"n_fft": 640, "hop_length": 320, "n_mels": 10, "center": False, "htk": True, "norm": None}
    expected = np.log(feature.melspectrogram(y=sounds(), sr=RATE, **kinds) + FLOOR).transpose(0, 2, 1)
    found = LogMel(OPTIONS, RATE)(torch.from_numpy(sounds())[:, None, None])[:, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=2e-3)


def keywords() -> nn.Module:
    """(N, 1, 11, 10) -> (N, 4)."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(1), nn.Linear(4 * 9 * 8, 4))


def options(**changes: object) -> ExportOptions:
    given = {"window": LENGTH, "sound": SoundOptions(RATE, OPTIONS), "drift": "full"} | changes
    return ExportOptions(f"{__name__}:{given.pop('model', 'keywords')}", **given)  # type: ignore[arg-type]


def test_they_become_a_part_of_the_model(tmp_path: Path) -> None:
    """The device is given samples; nothing of the features is trained, and its logits are those of the formulas."""
    manifest = export_bundle(options(), tmp_path / "bundle").manifest
    assert manifest.shape == InputShape(1, 1, LENGTH)
    assert manifest.preprocessing == (Sound(RATE), Standardize((0.0,), (32768.0,)))
    (plan,) = manifest.plans
    assert [parameter.name for parameter in plan.parameters] == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert open_bundle(tmp_path / "bundle").plan().has_prefix
    # Of a network without norms, under the policy of `drift` full.
    assert (plan.batch_norm, plan.prefix_is_fixed) == ("batch", True)
    features = torch.from_numpy(by_formula(sounds().astype(np.float64), OPTIONS, RATE).astype(np.float32))[:, None]
    with torch.no_grad():
        expected = keywords()(features).numpy()
    found = Session(tmp_path / "bundle", PREDICT).run(sounds()[:, None, None])
    np.testing.assert_allclose(found, expected, atol=1e-2)


def with_norms() -> nn.Module:
    """(N, 1, 11, 10) -> (N, 4)."""
    torch.manual_seed(0)
    parts = (nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(1), nn.Linear(4 * 9 * 8, 4))
    return nn.Sequential(*parts)


def test_they_are_kept_where_norms_behind_them_use_the_batch(tmp_path: Path) -> None:
    """No norm is in the frozen part: what it makes of a sound is the same in every batch."""
    (plan,) = export_bundle(options(model="with_norms"), tmp_path / "bundle").manifest.plans
    assert (plan.batch_norm, plan.batch_statistics) == ("batch", ("1.running_mean",))
    assert plan.fixed_prefix
    assert open_bundle(tmp_path / "bundle").plan().prefix_is_fixed


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"window": None, "image_size": 8}, "how many samples of sound"),
        ({"channels": 2}, "sound has one channel"),
        ({"window": 600}, "`log_mel` 640,320,10 does not fit into `window` 600"),
        ({"sound": SoundOptions(RATE, LogMelOptions(640, 320, 400))}, "does not fit into `window`"),
        ({"sound": SoundOptions(RATE, LogMelOptions(640, 0, 10))}, "does not fit into `window`"),
        ({"mean": (0.5,)}, "samples between -1 and 1"),
        ({"model": "sound.onnx"}, "ahead of a torch module"),
    ],
)
def test_what_makes_no_features_is_refused(changes: dict[str, object], said: str, tmp_path: Path) -> None:
    """Before anything is loaded, in one line each."""
    given = {"model": "none:none", "window": LENGTH, "sound": SoundOptions(RATE, OPTIONS), "drift": "full"} | changes
    assert said in refusal(ExportOptions(**given), tmp_path).message  # type: ignore[arg-type]
