"""Whether the self-check is right about whom to blame. Host only, and no test: it takes minutes to an hour.

    PYTHONPATH=tests .venv/host/bin/python -m support.prove_self_check networks
    PYTHONPATH=tests .venv/host/bin/python -m support.prove_self_check mistakes

`networks`: published networks, freshly initialised with several seeds, all of which have to pass (5 to 60 s of
processor time each). `mistakes`: ResNet-50 and MobileNetV2 at 224 px, compiled with one wrong formula at a time, none
of which may (a quarter of a minute each). Needs torchvision, and timm for half of the networks.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

import torch

from support.wrong_formulas import MISTAKES, mistaken
from tbft_artifacts.errors import TbftError
from tbft_export import ExportOptions, export_bundle
from tbft_export.check.result import DisagreementError, SelfCheck

# Factory and image size; those of timm by their names there.
NETWORKS = (
    *(("torchvision.models", name, 64) for name in ("resnet18", "resnet50", "mobilenet_v2", "regnet_y_400mf")),
    *(("torchvision.models", name, 64) for name in ("resnext50_32x4d", "mnasnet0_5", "regnet_x_400mf")),
    *(("torchvision.models", name, 96) for name in ("mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0")),
    *(("timm", name, 64) for name in ("mobileone_s0", "res2net50_26w_4s", "repvgg_a0", "seresnet18", "resnet18d")),
    *(("timm", name, 96) for name in ("rexnet_100", "starnet_s1", "efficientnet_lite0", "mobilenetv4_conv_small")),
    ("timm", "ese_vovnet19b_dw", 96),
)
LARGE = (("torchvision.models", "resnet50", 224), ("torchvision.models", "mobilenet_v2", 224))


def main() -> None:
    """Print a line per export, and end in an error if one did not do as it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["networks", "mistakes"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--drift", choices=["input", "feature", "output", "full"])
    parser.add_argument("--only", default="", help="networks whose name has this in it")
    arguments = parser.parse_args()
    wrong = 0
    if arguments.what == "networks":
        for module, name, size in NETWORKS:
            for seed in range(arguments.seeds) if arguments.only in name else ():
                error = _export(module, name, size, seed, arguments.drift or "full", f"seed {seed}")
                wrong += error is not None
    else:
        for module, name, size in LARGE:
            for mistake in MISTAKES if arguments.only in name else ():
                with mistaken(mistake):
                    error = _export(module, name, size, 0, arguments.drift or "feature", mistake)
                wrong += not isinstance(error, DisagreementError)
    raise SystemExit(f"{wrong} did otherwise" if wrong else 0)


def _export(module: str, name: str, size: int, seed: int, drift: str, what: str) -> TbftError | None:
    began = time.process_time()
    torch.manual_seed(seed)
    error, said = None, ""
    with tempfile.TemporaryDirectory() as folder:
        # The factory is called without arguments.
        spec = f"{module}:{name}" if module != "timm" else f"{__name__}:{name}"
        options = ExportOptions(spec, drift=drift, image_size=size)  # type: ignore[arg-type]
        try:
            (check,) = export_bundle(options, Path(folder) / "bundle").checks
            said = _words(check)
        except TbftError as caught:
            error, said = caught, f"refused: {caught.message}"
    seconds = time.process_time() - began
    sys.stdout.write(f"{name} {size} px, {drift}, {what}: {said} ({seconds:.0f} s)\n")
    sys.stdout.flush()
    return error


def _words(check: SelfCheck) -> str:
    traced = "none" if check.trace is None else f"{check.trace.error:.0e}"
    return (
        f"trace {traced}, formulas {check.formulas.error:.0e}, kernels {check.kernels.error:.2g}, {check.adopted} kinks"
    )


def __getattr__(name: str) -> object:
    """A network of timm, as a factory."""
    if any(module == "timm" and each == name for module, each, _ in NETWORKS):
        return lambda: importlib.import_module("timm").create_model(name)
    raise AttributeError(name)


if __name__ == "__main__":
    main()
