"""Loss and accuracy of a torch module, counted as the device counts them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.pytorch.images import Labelled, network_input
from tbft_runtime.run.epoch import Evaluation
from tbft_runtime.tally import Tally

# Larger batches are hardly faster in a forward pass, and take more memory.
EVALUATION_BATCH = 64


def evaluate(module: nn.Module, data: Labelled) -> Evaluation:
    """Mean cross-entropy and accuracy with running statistics; `module` is in eval mode afterwards.

    Raises TbftError if there is no image.
    """
    module.eval()
    result = counted(module, data).evaluation()
    if result is None:
        raise TbftError("there is no image to evaluate on", "give more images")
    return result


@torch.inference_mode()
def counted(answer: Callable[[Tensor], Tensor], data: Labelled) -> Tally:
    """What is answered to every image, counted. `answer` makes logits (N, classes) of images (N, 3, S, S)."""
    tally = Tally()
    for start in range(0, len(data.labels), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        tally.add(answer(network_input(data.images[part])).numpy(), data.labels[part])
    return tally
