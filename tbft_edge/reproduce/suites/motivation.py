"""The motivation: noise on one block's parameters, and then each block is trained, on the original images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tbft_edge.fingerprint import of_data, of_file
from tbft_edge.reproduce.blocks import PaperBlock
from tbft_edge.reproduce.case import Case, Network, Parts, parts_of
from tbft_edge.reproduce.datasets.cifar10 import as_cifar10
from tbft_edge.reproduce.datasets.open import open_images
from tbft_edge.reproduce.datasets.splits import split_cifar
from tbft_edge.reproduce.preset import Extent
from tbft_edge.reproduce.suites.suite import Sources, Suite

if TYPE_CHECKING:
    from torch import Tensor

SEED = 0
_COMPARED = ("noise-block2",)


def motivation(sources: Sources) -> Suite:
    """Four cases, one per block. The noisy networks are made in the folder of the work."""
    from tbft_edge.reproduce.pytorch.parameter_noise import NOISE

    data = of_data(sources.data)
    cases = tuple(noise_case(sources, block, sigma, data) for block, sigma in NOISE.items())
    if sources.preset == "quick":
        return Suite(cases, Extent((10,), 1, policies=(), engines=_COMPARED, target_only=True))
    return Suite(cases, Extent((50,), 1))


def noise_case(sources: Sources, block: PaperBlock, sigma: float, data: str) -> Case:
    """Noise of standard deviation `sigma` on `block`; `data` tells the images apart."""
    return Case(
        name=f"noise-{block}",
        target=block,
        network=_noisy(sources.network, block, sigma, sources.work),
        load=partial(_load, sources.data),
        data_id=data,
    )


def _noisy(network: Network, block: PaperBlock, sigma: float, work: Path) -> Network:
    from tbft_edge.reproduce.pytorch.parameter_noise import with_noise
    from tbft_edge.reproduce.pytorch.source_progress import save_tensors
    from tbft_export.sources.weights import read_state_dict

    work.mkdir(parents=True, exist_ok=True)
    path = work / f"{network.digest}-noise-{block}-{sigma:g}.safetensors"
    if not path.exists():
        noisy: dict[str, Tensor] = with_noise(read_state_dict(network.weights), block, sigma, SEED)
        save_tensors(noisy, path)
    return Network(path, of_file(path), network.image_size)


def _load(data: Path, size: int) -> Parts:
    images = as_cifar10(open_images(data, "test"), data)
    return parts_of(images, split_cifar(len(images), size / 100))
