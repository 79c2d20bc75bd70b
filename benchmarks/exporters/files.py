"""The files: what both of PyTorch's exporters write by default at each opset, and other forms that people have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.exporters import writers
from benchmarks.zoo.networks import Network

SIZE = 64
OPSETS = range(13, 21)
_KEYS = ("resnet18", "mobilenet_v2", "efficientnet_b0")
NETWORKS = {key: Network("torchvision", key, (3, SIZE, SIZE)) for key in _KEYS}


@dataclass(frozen=True)
class File:
    """`write` makes it; `options` are what `tbft-edge export` needs beside it, `output` the name of its logits."""

    network: str
    form: str
    opset: int
    write: Callable[[Path], None]
    options: tuple[str, ...] = ()
    output: str | None = None

    @property
    def name(self) -> str:
        """As on the command line, and in the names of results."""
        return f"{self.network}_{self.form.replace(', ', '_').replace(' ', '_')}_{self.opset}".lower()


def _defaults() -> Iterator[File]:
    for key, network in NETWORKS.items():
        for form, dynamo in (("TorchScript", False), ("dynamo", True)):
            for opset in OPSETS:
                yield File(key, form, opset, partial(writers.by_default, network, dynamo, opset))


def _forms() -> Iterator[File]:
    opset = writers.OPSET
    network = NETWORKS["resnet18"]
    size = ("--image-size", str(SIZE))
    form = partial(partial, network=network)
    yield File("resnet18", "norms kept", opset, form(writers.norms_kept))
    yield File("resnet18", "two outputs", opset, form(writers.two_outputs), ("--output", "logits"), "logits")
    yield File("resnet18", "open height and width", opset, form(writers.open_sides), size)
    yield File("resnet18", "bytes, channels last", opset, form(writers.bytes_last))
    yield File("resnet18", "float16", opset, form(writers.float16))
    yield File("resnet18", "QDQ", opset, form(writers.quantised))


FILES: tuple[File, ...] = (*_defaults(), *_forms())
BY_NAME = {file.name: file for file in FILES}
