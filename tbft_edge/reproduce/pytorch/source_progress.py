"""A source training that is under way: one file, replaced after each epoch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.pytorch.images import Labelled
from tbft_edge.reproduce.pytorch.source_recipe import SourceRecipe

_NETWORK, _MOMENTUM = "network/", "momentum/"
_BUFFER = "momentum_buffer"
_METADATA = "training"


class _Header(msgspec.Struct, frozen=True):
    """How far it is, and what it belongs to."""

    epoch: int
    recipe: SourceRecipe
    data: str


@dataclass(frozen=True)
class SourceProgress:
    """The file `path` beside the network to come. `data` is the fingerprint of the images."""

    path: Path
    recipe: SourceRecipe
    data: str

    def save(self, epoch: int, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write everything that the next epoch begins with."""
        tensors = {_NETWORK + name: value for name, value in network.state_dict().items()}
        for name, parameter in network.named_parameters():
            tensors[_MOMENTUM + name] = optimizer.state[parameter][_BUFFER]
        header = msgspec.json.encode(_Header(epoch, self.recipe, self.data)).decode()
        save_tensors(tensors, self.path, {_METADATA: header})

    @torch.no_grad()
    def load(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Give network and optimizer what was saved; returns the last whole epoch, 0 if there is none.

        Raises TbftError if the file is damaged, or belongs to another recipe or other images.
        """
        if not self.path.exists():
            return 0
        failed, hint = f"'{self.path}' is damaged", "remove it to train from the beginning"
        try:
            with safe_open(self.path, "pt") as file:
                header = decode(file.metadata()[_METADATA], _Header, MIB, failed=failed, hint=hint)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
        except (SafetensorError, KeyError, TypeError) as error:
            raise TbftError(f"{failed}: {error}", hint) from error
        if (header.recipe, header.data) != (self.recipe, self.data):
            raise TbftError(
                f"'{self.path}' is from a training with other settings or images", "remove it, or train as before"
            )
        network.load_state_dict(_under(_NETWORK, tensors))
        momentum = _under(_MOMENTUM, tensors)
        for name, parameter in network.named_parameters():
            optimizer.state[parameter][_BUFFER] = momentum[name]
        return header.epoch


def fingerprint(data: Labelled) -> str:
    """sha256 (hex) of images and labels."""
    digest = hashlib.sha256(repr((data.images.shape, data.labels.tolist())).encode())
    digest.update(data.images.tobytes())
    return digest.hexdigest()


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a `.safetensors` file atomically, for everyone to read. Raises TbftError if the disk is full."""
    with atomic_file(path) as temporary:
        save_file({name: value.contiguous() for name, value in tensors.items()}, temporary, metadata)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
