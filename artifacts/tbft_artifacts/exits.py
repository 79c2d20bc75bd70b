"""Classifiers behind parts of a network, so that an easy image is answered early."""

from __future__ import annotations

from tbft_artifacts.structs import Struct

# Outputs of a stage: what its exit says, and what the next stage begins with.
LOGITS = "logits"
ACTIVATION = "activation"


class Exit(Struct, frozen=True):
    """A classifier behind a part of the network. `flops`: of the forward pass of one image until it has answered."""

    name: str
    flops: int
