"""The best state so far, and when to stop waiting for a better one: the device's rule."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass
class BestState:
    """What `module` held after the epoch with the lowest validation loss, the first of equals.

    Epoch 0 counts, the state before training: on a device nothing is kept that is worse.
    """

    module: nn.Module
    loss: float
    epoch: int = 0
    _tensors: dict[str, Tensor] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._tensors = _copy(self.module)

    def offer(self, epoch: int, loss: float) -> bool:
        """Keep what the module holds now if `loss` is lower; returns whether it is."""
        better = loss < self.loss
        if better:
            self.epoch, self.loss, self._tensors = epoch, loss, _copy(self.module)
        return better

    def is_overdue(self, epoch: int, patience: int) -> bool:
        """Whether `patience` epochs until `epoch` brought no better state."""
        return epoch - self.epoch >= patience

    @torch.no_grad()
    def restore(self) -> None:
        """Give the module its best state back."""
        self.module.load_state_dict(self._tensors)


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
