"""Write what a bundle says of the source domain: a graph, moments, and their description."""

from __future__ import annotations

from pathlib import Path

import msgspec
from safetensors.numpy import save_file

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.rights import by_umask
from tbft_artifacts.source import FEATURES, MOMENTS
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.linear_head import last_layer
from tbft_export.images import LabelledImages
from tbft_export.moments.features import features_model
from tbft_export.moments.measure import measure_moments
from tbft_export.write_bundle import write_graph


def describe_source(manifest: Manifest, forward: ForwardModel, images: LabelledImages, folder: Path) -> Manifest:
    """The manifest that says so, after `features.onnx` and `moments.safetensors` were written beside the weights.

    Raises TbftError for a network without a linear last layer, whose features nobody could use, and for too few images.
    """
    last = last_layer(forward)
    if last is None:
        raise TbftError(
            "the network does not end in a linear layer, so that there are no last features to describe",
            "leave `source` out, or end the network in torch.nn.Linear",
        )
    found = features_model(forward, last)
    moments = measure_moments(found, images, len(manifest.classes))
    write_graph(found.model, folder, FEATURES)
    save_file(dict(sorted(moments.tensors.items())), folder / MOMENTS)
    by_umask(folder / MOMENTS)
    return msgspec.structs.replace(manifest, source=moments.source)
