"""PersEPhonEE: early exits on a frozen network, personalised on the device."""

from __future__ import annotations

from tbft_artifacts.errors import TbftError
from tbft_export.exits.depths import choose_depths
from tbft_export.exits.heads import own_head
from tbft_export.exits.personalisation import PERSONALISATIONS
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import method
from tbft_export.training_plan import Exits, TrainingPlan

DEFAULT_EXITS = 4
_LEARNING_RATE = {"sgd": 0.03, "adam": 0.003, "adamw": 0.003}


@method("persephonee", "exits")
def persephonee(network: Network, options: MethodOptions) -> tuple[TrainingPlan, ...]:
    """Classifiers at depths of the network, and a copy of its head; a plan for each way to personalise them.

    Source: "It's Always Personal: Using Early Exits for Efficient On-Device CNN Personalisation", HotMobile 2021
    (arXiv 2102.01393). The network and its own head stay as they are. Raises TbftError for batch norms that would
    move, for a head that nobody trained yet, and for a network that does not end in a linear layer or has too few
    blocks.
    """
    policy = options.batch_norm or "frozen"
    if policy not in ("frozen", "adapt"):
        raise TbftError(
            f"exits stand on a frozen network, whose statistics `batch_norm` {policy} would move",
            "give `batch_norm` frozen or `batch_norm` adapt, or leave it out",
        )
    if network.fresh:
        raise TbftError(
            f"exits learn from the network's own head, but {network.fresh[0]} was never trained",
            "train the head first (export `method` last-layer, train, finalize) and export that .onnx file",
        )
    own_head(network.forward)
    # Where a network has no residual blocks, every place at which it can be cut is as good.
    residual_blocks = network.blocks.residual_blocks
    depths = choose_depths(network.forward.graph, residual_blocks, options.exits or DEFAULT_EXITS)
    return tuple(
        TrainingPlan(
            method="persephonee",
            label=f"exits-{personalisation}",
            drift=None,
            blocks=("exits",),
            parameters=(),
            policy=policy,
            lr=_LEARNING_RATE[options.optimizer],
            exits=Exits(depths, personalisation),
        )
        for personalisation in PERSONALISATIONS
    )
