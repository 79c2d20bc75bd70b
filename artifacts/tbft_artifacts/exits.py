"""Classifiers behind parts of a network, so that an easy image is answered early."""

from __future__ import annotations

from tbft_artifacts.structs import Struct


class Exit(Struct, frozen=True):
    """A classifier behind a part of the network. `flops`: of the forward pass of one image until it has answered."""

    name: str
    flops: int
