"""How the source network is trained before anything drifts."""

from __future__ import annotations

import msgspec

from tbft_artifacts.errors import TbftError


class SourceRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SGD on random crops and mirror images; the learning rate falls to `decay` of itself at each milestone.

    The defaults are those of the test-time-training CIFAR code, where the paper's network comes from
    (yueatsprograms/ttt_cifar_release, `main.py`): 75 epochs, milestones 50 and 65. `milestones` are shares
    of the epochs, so that a shorter training has them, too. The authors of the paper trained the network that
    they released for longer (`AUTHORS_RECIPE`), and stopped by loss.
    Raises TbftError without an epoch.
    """

    epochs: int = 75
    lr: float = 0.1
    decay: float = 0.1
    milestones: tuple[float, ...] = (50 / 75, 65 / 75)
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch_size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise TbftError(f"{self.epochs} epochs train nothing", "train for at least one")

    def learning_rate(self, epoch: int) -> float:
        """The rate of an epoch, counted from 1."""
        passed = sum(epoch > round(milestone * self.epochs) for milestone in self.milestones)
        return self.lr * self.decay**passed


# yushan-huang/AdaptivePersonalization, `motivation_exp/train_origin_resnet.py`: halved every 50 epochs.
AUTHORS_RECIPE = SourceRecipe(epochs=300, lr=0.01, decay=0.5, milestones=tuple(n / 6 for n in range(1, 6)))
