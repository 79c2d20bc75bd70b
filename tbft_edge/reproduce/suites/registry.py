"""Every suite by its name."""

from __future__ import annotations

from collections.abc import Callable

from tbft_edge.reproduce.protocol import Suite as SuiteName
from tbft_edge.reproduce.suites.botta import botta
from tbft_edge.reproduce.suites.cifar10_c import cifar10_c
from tbft_edge.reproduce.suites.cifar_flip import cifar_flip
from tbft_edge.reproduce.suites.living17 import living17
from tbft_edge.reproduce.suites.motivation import motivation
from tbft_edge.reproduce.suites.source5 import source5
from tbft_edge.reproduce.suites.suite import Sources, Suite

SUITES: dict[SuiteName, Callable[[Sources], Suite]] = {
    "botta": botta,
    "cifar10-c": cifar10_c,
    "cifar-flip": cifar_flip,
    "living17": living17,
    "motivation": motivation,
    "source5": source5,
}
