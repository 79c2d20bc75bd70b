"""Whether the self-check is right about whom to blame. Host only, and no test: it takes a quarter of an hour.

    PYTHONPATH=tests:. .venv/zoo/bin/python -m support.prove_self_check networks
    PYTHONPATH=tests:. .venv/zoo/bin/python -m support.prove_self_check mistakes

`networks`: twenty published networks, freshly initialised with several seeds, all of which have to pass; a table at the
end. `mistakes`: ResNet-50 and MobileNetV2 at 224 px, compiled with one wrong formula at a time, none of which may.
`--size` takes images of another size. Needs what `make zoo` installs.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.zoo.factories import without_c_library
from support.wrong_formulas import MISTAKES, mistaken
from tbft_artifacts.errors import TbftError
from tbft_export import ExportOptions, export_bundle
from tbft_export.check.result import DisagreementError, SelfCheck

# By package, those of timm under their names there; sides of their images.
NETWORKS = (
    *(("torchvision", name, 64) for name in ("resnet18", "resnet50", "mobilenet_v2", "regnet_y_400mf")),
    *(("torchvision", name, 64) for name in ("resnext50_32x4d", "mnasnet0_5", "regnet_x_400mf")),
    *(("torchvision", name, 96) for name in ("mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0")),
    *(("timm", name, 64) for name in ("mobileone_s0", "res2net50_26w_4s", "repvgg_a0", "seresnet18", "resnet18d")),
    *(("timm", name, 96) for name in ("rexnet_100", "starnet_s1", "efficientnet_lite0", "mobilenetv4_conv_small")),
    ("timm", "ese_vovnet19b_dw", 96),
)
LARGE = (("torchvision", "resnet50", 224), ("torchvision", "mobilenet_v2", 224))


@dataclass(frozen=True)
class Tried:
    """One export: its check, or the error that it ended in; processor seconds."""

    check: SelfCheck | None
    error: TbftError | None
    seconds: float

    @property
    def words(self) -> str:
        """What came out, in a line."""
        if self.check is None:
            return f"refused: {self.error}"
        traced = "none" if self.check.trace is None else f"{self.check.trace.error:.0e}"
        found = f"formulas {self.check.formulas.error:.0e}, kernels {self.check.kernels.error:.2g}"
        return f"trace {traced}, {found}, {self.check.adopted} kinks"


def main() -> None:
    """Print a line per export, and end in an error if one did not do as it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["networks", "mistakes"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--size", type=int, help="pixels of a side, for all networks")
    parser.add_argument("--drift", choices=["input", "feature", "output", "full"])
    parser.add_argument("--only", default="", help="networks whose name has this in it")
    arguments = parser.parse_args()
    without_c_library()
    wrong, rows = 0, []
    for package, name, own in NETWORKS if arguments.what == "networks" else LARGE:
        size = arguments.size or own
        if arguments.only not in name:
            continue
        if arguments.what == "networks":
            drift = arguments.drift or "full"
            tried = [_export(package, name, size, seed, drift, f"seed {seed}") for seed in range(arguments.seeds)]
            wrong += sum(each.check is None for each in tried)
            rows.append(_row(f"{name} ({package})", size, tried))
            continue
        for mistake in MISTAKES:
            with mistaken(mistake):
                found = _export(package, name, size, 0, arguments.drift or "feature", mistake)
            wrong += not isinstance(found.error, DisagreementError)
    if rows:
        sys.stdout.write("\n".join([*_HEAD, *rows]) + "\n")
    raise SystemExit(f"{wrong} did otherwise" if wrong else 0)


_HEAD = (
    "| network | px | passed | trace | formulas | kernels, of what float32 may lose | kinks followed | seconds |",
    "|---|---|---|---|---|---|---|---|",
)


def _row(name: str, size: int, tried: list[Tried]) -> str:
    """The worst of all seeds."""
    checks = [each.check for each in tried if each.check is not None]

    def worst(error: Callable[[SelfCheck], float]) -> str:
        return f"{max(map(error, checks), default=float('nan')):.2g}"

    seconds = sum(each.seconds for each in tried) / max(len(tried), 1)
    cells: Iterable[object] = (
        name,
        size,
        f"{len(checks)} of {len(tried)}",
        worst(lambda check: 0.0 if check.trace is None else check.trace.error),
        worst(lambda check: check.formulas.error),
        worst(lambda check: check.kernels.error),
        max((check.adopted for check in checks), default=0),
        f"{seconds:.0f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def _export(package: str, name: str, size: int, seed: int, drift: str, what: str) -> Tried:
    began = time.process_time()
    torch.manual_seed(seed)
    check: SelfCheck | None = None
    error: TbftError | None = None
    with tempfile.TemporaryDirectory() as folder:
        # The factory is called without arguments.
        options = ExportOptions(f"{__name__}:{package}_{name}", drift=drift, image_size=size)  # type: ignore[arg-type]
        try:
            (check,) = export_bundle(options, Path(folder) / "bundle").checks
        except TbftError as caught:
            error = caught
    tried = Tried(check, error, time.process_time() - began)
    sys.stdout.write(f"{name} {size} px, {drift}, {what}: {tried.words} ({tried.seconds:.0f} s)\n")
    sys.stdout.flush()
    return tried


def __getattr__(name: str) -> Callable[[], nn.Module]:
    """A network as a factory: `timm_resnet18d`."""
    package, _, key = name.partition("_")
    if any(package == each and key == own for each, own, _ in NETWORKS):
        if package == "timm":
            return lambda: importlib.import_module("timm").create_model(key)
        return getattr(importlib.import_module("torchvision.models"), key)
    raise AttributeError(name)


if __name__ == "__main__":
    main()
